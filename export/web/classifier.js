/** The classifier: a `.tflite` file of gender-export, which says itself what it takes and what its answers mean. */

import { Network } from "./runtime.js";
import { readStored } from "./stored_zip.js";

/**
 * @typedef {object} Metadata what an artefact says of itself; see export/metadata.py.
 * @property {string[]} labels
 * @property {number} image_size of the input in pixels.
 * @property {number} threshold probability over which the second label is given.
 * @property {string} note what must be said beside its answers.
 */

export class Classifier {
  /**
   * @param {string} url of the file.
   * @returns {Promise<Classifier>}
   * @throws {Error} it can't be fetched, or is no artefact of gender-export.
   */
  static async load(url) {
    const bytes = await fetchBytes(url);
    const metadata = JSON.parse(new TextDecoder().decode(readStored(bytes, "metadata.json")));
    const network = await Network.load(bytes);
    const size = metadata.image_size;
    if (network.shape.join() !== [1, size, size, 3].join()) {
      throw new Error(`it takes pictures of shape ${network.shape}, not what its metadata says`);
    }
    return new Classifier(network, metadata);
  }

  /**
   * @param {Network} network
   * @param {Metadata} metadata
   */
  constructor(network, metadata) {
    this._network = network;
    this.metadata = metadata;
    this.imageSize = metadata.image_size;
  }

  /**
   * @param {Uint8Array} face RGB, (imageSize, imageSize, 3).
   * @returns {Promise<number>} p(female), a float32 in [0, 1].
   */
  async predict(face) {
    const [[pFemale]] = await this._network.run(face);
    return pFemale;
  }
}

/**
 * @param {string} url
 * @returns {Promise<Uint8Array>}
 */
export async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
