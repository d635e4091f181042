/** Runs `.tflite` files by LiteRT.js, on the processor: one picture in, every output out. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

let started;

function start() {
  // LiteRT writes what it does to its error stream, lines of mere information too; LiteRT.js takes `Module` as the
  // settings of its WebAssembly and deletes it afterwards
  const log = (line) => (/^(INFO|VERBOSE)/.test(line) ? console.debug(line) : console.warn(line));
  globalThis.Module = { printErr: log };
  started ??= loadLiteRt(new URL("litert/wasm/", import.meta.url).href);
  return started;
}

/** A network with one input of batch 1. */
export class Network {
  /**
   * @param {Uint8Array} bytes of a `.tflite` file.
   * @returns {Promise<Network>}
   */
  static async load(bytes) {
    await start();
    return new Network(await loadAndCompile(bytes, { accelerator: "wasm" }));
  }

  constructor(compiled) {
    this._compiled = compiled;
    const [input] = compiled.getInputDetails();
    this.shape = Array.from(input.shape);
    this.takesBytes = input.dtype === "uint8";
    this._running = Promise.resolve();
  }

  /**
   * @param {ArrayLike<number>} values of the input, as many as its shape holds.
   * @returns {Promise<Float32Array[]>} the outputs in the file's order.
   */
  run(values) {
    // one at a time: the network has one set of buffers, and the camera may look while a folder is scored
    const result = this._running.then(() => this._runNow(values));
    this._running = result.catch(() => {});
    return result;
  }

  async _runNow(values) {
    const Values = this.takesBytes ? Uint8Array : Float32Array;
    const input = new Tensor(values instanceof Values ? values : Values.from(values), this.shape);
    let outputs = [];
    try {
      outputs = await this._compiled.run([input]);
      return outputs.map((output) => Float32Array.from(output.toTypedArray()));
    } finally {
      for (const tensor of [input, ...outputs]) tensor.delete(); // its memory is no garbage collector's
    }
  }
}
