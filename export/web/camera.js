/** The camera: a video with what is said of it, and frames to keep. */

import { draw } from "./picture.js";
import { drawBoxes, makeOverlay } from "./overlay.js";
import { sayShortly } from "./results.js";

const PAUSE = 250; // milliseconds between two looks

export class Camera {
  /**
   * @param {HTMLVideoElement} video inside an element over which boxes are drawn.
   * @param {(canvas: OffscreenCanvas) => Promise<import("./scorer.js").Scored>} score
   * @param {(pFemale: number) => object} predict
   * @param {string} undecided
   */
  constructor(video, score, predict, undecided) {
    this._video = video;
    this._score = score;
    this._predict = predict;
    this._undecided = undecided;
    this._overlay = video.parentElement.appendChild(makeOverlay());
    this._stream = null;
  }

  get running() {
    return this._stream !== null;
  }

  /** @throws {Error} there is no camera, or it may not be used. */
  async start() {
    if (!navigator.mediaDevices) throw new Error("browsers allow it only over https or from this machine");
    this._stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" }, audio: false });
    this._video.srcObject = this._stream;
    await this._video.play();
  }

  stop() {
    this._stream?.getTracks().forEach((track) => track.stop());
    this._stream = null;
    this._video.srcObject = null;
    this._overlay.replaceChildren();
  }

  /** @returns {OffscreenCanvas} what the camera shows now. */
  frame() {
    return draw(this._video, this._video.videoWidth, this._video.videoHeight);
  }

  /** Says a few times a second what is seen, as long as the camera runs and `wanted` answers true. */
  async watch(wanted) {
    while (this.running && wanted()) {
      const scored = await this._score(this.frame());
      if (!this.running || !wanted()) break;
      const boxes = scored.faces.map((face) => {
        const prediction = this._predict(face.pFemale);
        return { ...face, gender: prediction.gender, text: sayShortly(prediction, this._undecided) };
      });
      drawBoxes(this._overlay, scored, boxes);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this._overlay.replaceChildren();
  }
}
