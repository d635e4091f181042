/**
 * Finds faces by BlazeFace, full range.
 *
 * Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. Anchors, decoding and
 * limits are those of MediaPipe's graph of this network, face_detection_full_range: one anchor in each cell of a grid
 * of 48 × 48, a box and six points in pixels of the input relative to its middle.
 */

import { fetchBytes } from "./classifier.js";
import { pixelsOf } from "./picture.js";
import { Network } from "./runtime.js";
import { similarity, warp } from "./warp.js";

const GRID = 48;
const LEAST_SCORE = 0.6;
const SAME = 0.3; // intersection over union from which two boxes are one face
const LARGEST_LOGIT = 100;
const TILE = 640; // pixels of a large picture that are looked at at once
const OVERLAP = 128; // of two tiles: a face smaller than this lies whole in one of them
const SMALL = 30; // pixels of the network's input: where a face is so small, there may be others, too small to be found
const MARGIN = 0.75; // around a crop, in parts of its side, when the points of its face are measured again

/**
 * @typedef {object} Face in pixels of the picture.
 * @property {number} x left side of the box.
 * @property {number} y upper side.
 * @property {number} width
 * @property {number} height
 * @property {number} score in [0, 1].
 * @property {number[][]} points right eye, left eye, nose, mouth: x and y of each.
 */

export class FaceDetector {
  /**
   * @param {string} url of BlazeFace's `.tflite` file.
   * @param {number[][]} template x and y of right eye, left eye, nose and mouth in a crop, in parts of its side.
   */
  static async load(url, template) {
    return new FaceDetector(await Network.load(await fetchBytes(url)), template);
  }

  constructor(network, template) {
    this._network = network;
    this._template = template;
    this._side = network.shape[1];
  }

  /**
   * Looks at a whole picture; if no face is seen, again from farther away, since the network knows none that fills it;
   * and at a large one in tiles too if small faces are seen or none.
   *
   * @param {OffscreenCanvas} canvas
   * @returns {Promise<Face[]>} the largest first.
   */
  async detect(canvas) {
    const { width, height } = canvas;
    const found = await this._look(canvas, { x: 0, y: 0, width, height });
    if (!found.length) {
      const farther = { x: -width / 2, y: -height / 2, width: 2 * width, height: 2 * height };
      found.push(...(await this._look(canvas, farther)));
    }
    const small = (SMALL / this._side) * Math.max(width, height);
    if (Math.max(width, height) > TILE && (!found.length || found.some((face) => face.width < small))) {
      for (const y of starts(height)) {
        for (const x of starts(width)) found.push(...(await this._look(canvas, tile(canvas, x, y))));
      }
    }
    const faces = [];
    for (const face of distinct(found)) faces.push(await this._measuredAgain(canvas, face));
    return faces.sort((one, other) => other.width * other.height - one.width * one.height);
  }

  /**
   * @param {OffscreenCanvas} canvas
   * @param {Face} face
   * @param {number} size of the crop in pixels.
   * @returns {ImageData} the face as UTKFace's chips show one; what lies outside the picture repeats its border.
   */
  crop(canvas, face, size) {
    return warp(canvas, similarity(face.points, this._template), size);
  }

  /** Looks at a part of a picture, shrunk to the network's input and centred in it. */
  async _look(canvas, part) {
    const side = this._side;
    const scale = side / Math.max(part.width, part.height);
    const [width, height] = [part.width * scale, part.height * scale];
    const [left, top] = [(side - width) / 2, (side - height) / 2];
    const input = new OffscreenCanvas(side, side);
    const context = input.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, side, side); // black, as MediaPipe fills
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, part.x, part.y, part.width, part.height, left, top, width, height);
    const faces = await this._run(pixelsOf(input).data);
    const place = ([x, y]) => [(x - left) / scale + part.x, (y - top) / scale + part.y];
    return faces.map((face) => moved(face, place, 1 / scale));
  }

  /** Of a face that was small in the input the points are rough: they are measured on a crop, and turned back. */
  async _measuredAgain(canvas, face) {
    const wide = this._template.map((point) => point.map((part) => (part + MARGIN) / (1 + 2 * MARGIN)));
    const turn = similarity(face.points, wide);
    const crop = warp(canvas, turn, this._side);
    const again = await this._run(crop.data);
    if (!again.length) return face;
    const half = this._side / 2;
    const distance = ({ x, y, width, height }) => Math.hypot(x + width / 2 - half, y + height / 2 - half);
    const nearest = again.reduce((best, one) => (distance(one) < distance(best) ? one : best));
    return { ...face, points: nearest.points.map((point) => turn.back(point.map((part) => part / this._side))) };
  }

  async _run(rgba) {
    const input = new Float32Array(this._side * this._side * 3);
    for (let from = 0, to = 0; to < input.length; from += 4) {
      for (let channel = 0; channel < 3; channel++) input[to++] = rgba[from + channel] / 127.5 - 1;
    }
    const outputs = await this._network.run(input);
    const [boxes, logits] = outputs.sort((one, other) => other.length - one.length);
    return merged(decodeFaces(boxes, logits, this._side));
  }
}

function decodeFaces(boxes, logits, side) {
  const faces = [];
  logits.forEach((logit, anchor) => {
    const score = 1 / (1 + Math.exp(-Math.max(-LARGEST_LOGIT, Math.min(LARGEST_LOGIT, logit))));
    if (score < LEAST_SCORE) return;
    const middle = [((anchor % GRID) + 0.5) * (side / GRID), (Math.floor(anchor / GRID) + 0.5) * (side / GRID)];
    const of = boxes.subarray(anchor * 16, anchor * 16 + 16);
    const [width, height] = [of[2], of[3]];
    // two more, the ears, are not used
    const points = [4, 6, 8, 10].map((at) => [of[at] + middle[0], of[at + 1] + middle[1]]);
    faces.push({ x: of[0] + middle[0] - width / 2, y: of[1] + middle[1] - height / 2, width, height, score, points });
  });
  return faces;
}

/** Of boxes that overlap makes one, their mean weighted by their scores: it shakes less than the surest of them. */
function merged(faces) {
  let rest = faces.sort(bySureness);
  const kept = [];
  while (rest.length) {
    const [surest] = rest;
    const same = rest.filter((face) => intersection(surest, face) / union(surest, face) > SAME);
    rest = rest.filter((face) => !same.includes(face));
    const total = same.reduce((sum, { score }) => sum + score, 0);
    const mean = (value) => same.reduce((sum, face) => sum + face.score * value(face), 0) / total;
    kept.push({
      x: mean((face) => face.x),
      y: mean((face) => face.y),
      width: mean((face) => face.width),
      height: mean((face) => face.height),
      score: surest.score,
      points: surest.points.map((_, at) => [0, 1].map((axis) => mean((face) => face.points[at][axis]))),
    });
  }
  return kept;
}

/** Of what several looks found keeps each face once. By the smaller box: a tile's border shows a part of a face. */
function distinct(faces) {
  const kept = [];
  for (const face of faces.sort(bySureness)) {
    const area = ({ width, height }) => width * height;
    const same = (other) => intersection(face, other) / Math.min(area(face), area(other)) > SAME;
    if (!kept.some(same)) kept.push(face);
  }
  return kept;
}

const bySureness = (one, other) => other.score - one.score;

function intersection(one, other) {
  const wide = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const high = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  return Math.max(0, wide) * Math.max(0, high);
}

function union(one, other) {
  return one.width * one.height + other.width * other.height - intersection(one, other);
}

/** Returns where tiles begin that cover a side with overlaps, evenly. */
function starts(side) {
  const number = Math.max(1, Math.ceil((side - OVERLAP) / (TILE - OVERLAP)));
  const step = Math.max(0, side - TILE) / Math.max(1, number - 1);
  return Array.from({ length: number }, (_, at) => Math.round(at * step));
}

function tile(canvas, x, y) {
  return { x, y, width: Math.min(TILE, canvas.width - x), height: Math.min(TILE, canvas.height - y) };
}

function moved(face, place, factor) {
  const [x, y] = place([face.x, face.y]);
  const [width, height] = [face.width * factor, face.height * factor];
  return { ...face, x, y, width, height, points: face.points.map(place) };
}
