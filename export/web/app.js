/** The page: connects what is pressed, dropped and moved with what is scored and shown. */

import { Camera } from "./camera.js";
import { listDropped, listFiles } from "./files.js";
import { predictionOf } from "./prediction.js";
import { Results } from "./results.js";
import { Scorer } from "./scorer.js";

const one = (id) => document.getElementById(id);
const say = (text) => (one("status").textContent = text);

class Page {
  constructor(config, scorer) {
    this._config = config;
    this._scorer = scorer;
    this._results = new Results(one("results"), config, scorer.metadata);
    this._queue = [];
    this._done = 0;
    this._frames = 0;
    this._others = 0;
    this._busy = false;
    this._camera = new Camera(
      one("video"),
      (canvas) => scorer.score(canvas, one("find-faces").checked),
      (pFemale) => predictionOf(pFemale, scorer.metadata, this._results.minConfidence, config.undecided),
      config.undecided,
    );
  }

  start() {
    const { note, threshold, data, licence } = this._scorer.metadata;
    one("note").textContent = note;
    const about = [`Model: ${this._config.model_name}`, data && `trained on ${data}`].filter(Boolean).join(", ");
    one("model").textContent = [about, licence].filter(Boolean).join(". ");
    // no prediction is less sure than this
    one("confidence").min = one("confidence").value = Math.min(threshold, 1 - threshold);
    this._connect();
    this._showConfidence();
    for (const id of ["choose-files", "choose-folder", "use-camera"]) one(id).disabled = false;
    say("Ready.");
  }

  _connect() {
    const { suffixes } = this._config;
    for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
      one(button).addEventListener("click", () => one(input).click());
      one(input).addEventListener("change", () => {
        this._take(listFiles(one(input).files, suffixes));
        one(input).value = ""; // the same folder may be chosen again
      });
    }
    const over = (is) => (event) => {
      event.preventDefault();
      one("drop").classList.toggle("over", is);
    };
    addEventListener("dragover", over(true));
    addEventListener("dragleave", over(false));
    addEventListener("drop", (event) => {
      over(false)(event);
      listDropped(event.dataTransfer, suffixes).then((listed) => this._take(listed), (error) => say(error.message));
    });
    one("confidence").addEventListener("input", () => this._showConfidence());
    one("download").addEventListener("click", () => this._download());
    one("clear").addEventListener("click", () => this._clear());
    one("stop").addEventListener("click", () => (this._queue = []));
    one("use-camera").addEventListener("click", () => this._toggleCamera());
    one("take").addEventListener("click", () => this._takeFrame());
    one("watch").addEventListener("change", () => this._watch());
  }

  /** Puts pictures behind those that wait, and scores until none waits. */
  async _take({ pictures, others }) {
    this._others += others;
    if (!pictures.length) return say(others ? "No file in it is a picture by its name." : "Nothing was chosen.");
    this._queue.push(...pictures);
    if (this._busy) return undefined;
    this._busy = true;
    one("stop").hidden = one("progress").hidden = false;
    const started = performance.now();
    const before = this._results.size;
    while (this._queue.length) {
      await this._scoreNext(this._queue.shift());
      this._showProgress(before);
    }
    this._busy = false;
    one("stop").hidden = one("progress").hidden = true;
    this._showResults();
    const number = this._results.size - before;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const rest = this._others ? ` Files that are no pictures by their name: ${this._others}.` : "";
    this._others = 0;
    return say(`${number} ${number === 1 ? "picture" : "pictures"} in ${seconds} s.${rest}`);
  }

  async _scoreNext({ name, file }) {
    const findFaces = one("find-faces").checked;
    try {
      await this._results.addScored(name, await this._scorer.scoreFile(file, findFaces), findFaces);
    } catch (error) {
      this._results.addError(name, error.message, findFaces);
    }
  }

  _showProgress(before) {
    const done = this._results.size - before;
    const all = done + this._queue.length;
    one("progress").max = all;
    one("progress").value = done;
    // a reader that speaks would otherwise never come to an end
    if (done % 20 === 1) {
      say(`${done} of ${all} pictures …`);
      this._showResults();
    }
  }

  _showResults() {
    const none = this._results.size === 0;
    one("results").hidden = none;
    one("download").disabled = none;
    one("clear").disabled = none || this._busy;
    const pairs = none ? [] : this._results.counts();
    one("counts").replaceChildren(
      ...pairs.map(([name, number]) => {
        const pair = document.createElement("div");
        pair.className = name;
        const term = pair.appendChild(document.createElement("dt"));
        term.textContent = name;
        pair.appendChild(document.createElement("dd")).textContent = number;
        return pair;
      }),
    );
  }

  _showConfidence() {
    const value = one("confidence").valueAsNumber;
    one("confidence-value").textContent = `${Math.round(value * 100)} %`;
    this._results.relabel(value);
    this._showResults();
  }

  _clear() {
    this._results.clear();
    this._showResults();
    say("Ready.");
  }

  _download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this._results.csv()], { type: "text/csv" }));
    link.download = "predictions.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async _toggleCamera() {
    const starts = !this._camera.running;
    try {
      if (starts) await this._camera.start();
      else this._camera.stop();
    } catch (error) {
      this._camera.stop();
      return say(`The camera can't be used: ${error.message}`);
    }
    if (starts) one("find-faces").checked = true; // a camera hardly ever shows a cropped face
    one("camera").hidden = !starts;
    one("use-camera").textContent = starts ? "Stop the camera" : "Use the camera";
    one("use-camera").setAttribute("aria-expanded", starts);
    return this._watch();
  }

  _watch() {
    const id = (this._watching = {});
    return this._camera.watch(() => one("watch").checked && this._watching === id);
  }

  async _takeFrame() {
    const file = await this._camera.frame().convertToBlob({ type: "image/png" });
    this._frames += 1;
    this._take({ pictures: [{ name: `camera_${String(this._frames).padStart(3, "0")}.png`, file }], others: 0 });
  }
}

async function open() {
  try {
    const config = await (await fetch("config.json")).json();
    new Page(config, await Scorer.load(config)).start();
  } catch (error) {
    say(`The model can't be loaded: ${error.message}`);
    throw error;
  }
}

open();
