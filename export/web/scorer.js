/** From a picture to what is said of it: find the faces, crop, predict. */

import { Classifier } from "./classifier.js";
import { FaceDetector } from "./detector.js";
import { centredSquare, cropCentre, decode } from "./picture.js";
import { resize } from "./resize.js";

const THUMBNAIL = 96; // pixels

/**
 * @typedef {object} Scored
 * @property {number} width of the picture in pixels.
 * @property {number} height
 * @property {ScoredFace[]} faces the largest first; without a detector one, the centred square.
 *
 * @typedef {object} ScoredFace
 * @property {number} pFemale
 * @property {number} x left side of the face's box, or of the centred square, in pixels of the picture.
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {number} [score] the detector's, in [0, 1].
 * @property {OffscreenCanvas} thumbnail
 */

export class Scorer {
  /**
   * @param {object} config config.json, which export/web_page.py writes.
   * @returns {Promise<Scorer>}
   */
  static async load(config) {
    return new Scorer(config, await Classifier.load(config.model));
  }

  constructor(config, classifier) {
    this._config = config;
    this._classifier = classifier;
    this.metadata = classifier.metadata;
    this._detector = null;
  }

  /**
   * @param {Blob} file an encoded picture.
   * @param {boolean} findFaces else the picture is a cropped face.
   * @returns {Promise<Scored & {canvas: OffscreenCanvas}>}
   * @throws {Error} why there is nothing to say, in a sentence for the table.
   */
  async scoreFile(file, findFaces) {
    const canvas = await decode(file, this._config.max_pixels);
    const scored = await this.score(canvas, findFaces);
    if (!scored.faces.length) throw new Error("no face found");
    return { ...scored, canvas };
  }

  /**
   * @param {OffscreenCanvas} canvas
   * @param {boolean} findFaces
   * @returns {Promise<Scored>}
   */
  async score(canvas, findFaces) {
    const crops = findFaces ? await this._cropFaces(canvas) : [this._cropCentre(canvas)];
    const faces = [];
    for (const { pixels, ...face } of crops) faces.push({ ...face, pFemale: await this._classifier.predict(pixels) });
    return { width: canvas.width, height: canvas.height, faces };
  }

  _cropCentre(canvas) {
    const pixels = cropCentre(canvas, this._classifier.imageSize, this._config.nudge);
    const square = centredSquare(canvas);
    const thumbnail = new OffscreenCanvas(THUMBNAIL, THUMBNAIL);
    const context = thumbnail.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, square.x, square.y, square.width, square.height, 0, 0, THUMBNAIL, THUMBNAIL);
    return { ...square, pixels, thumbnail };
  }

  async _cropFaces(canvas) {
    const { detector, crop_template: template } = this._config;
    this._detector ??= FaceDetector.load(detector, template);
    const found = await this._detector;
    const size = this._classifier.imageSize;
    return (await found.detect(canvas)).map((face) => {
      const { x, y, width, height, score } = face;
      const pixels = resize(found.crop(canvas, face, size).data, size, size, this._config.nudge);
      const thumbnail = new OffscreenCanvas(THUMBNAIL, THUMBNAIL);
      thumbnail.getContext("2d").putImageData(found.crop(canvas, face, THUMBNAIL), 0, 0);
      return { x, y, width, height, score, pixels, thumbnail };
    });
  }
}
