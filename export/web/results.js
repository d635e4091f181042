/** The table of results, on the page and as CSV. */

import { csvOf } from "./csv.js";
import { drawBoxes, makeOverlay } from "./overlay.js";
import { predictionOf } from "./prediction.js";

const PHOTO = 720; // pixels of the longest side of a photo that is shown with its faces

/** Says in a few words what is predicted. */
export function sayShortly({ gender, confidence }, undecided) {
  return gender === undecided ? gender : `${gender} ${Math.round(confidence * 100)} %`;
}

export class Results {
  /**
   * @param {HTMLTableElement} table with a head.
   * @param {object} config config.json.
   * @param {object} metadata of the model.
   */
  constructor(table, config, metadata) {
    this._table = table;
    this._config = config;
    this._metadata = metadata;
    this._pictures = [];
    this._urls = [];
    this.minConfidence = 0;
  }

  /** Adds a picture that could not be scored. */
  addError(name, error, foundFaces) {
    this._add({ name, error, faces: [], foundFaces });
  }

  /**
   * Adds the faces of a picture.
   *
   * @param {string} name
   * @param {import("./scorer.js").Scored & {canvas: OffscreenCanvas}} scored
   * @param {boolean} foundFaces whether a detector found them: then the photo is shown too.
   */
  async addScored(name, { canvas, width, height, faces }, foundFaces) {
    const photo = foundFaces ? await this._toUrl(shrunk(canvas, PHOTO)) : null;
    const shown = [];
    for (const { thumbnail, ...face } of faces) shown.push({ ...face, thumbnail: await this._toUrl(thumbnail) });
    this._add({ name, width, height, photo, faces: shown, foundFaces });
  }

  /** Says everything anew, by another least confidence. */
  relabel(minConfidence) {
    this.minConfidence = minConfidence;
    for (const picture of this._pictures) this._label(picture);
  }

  clear() {
    for (const body of Array.from(this._table.tBodies)) body.remove();
    for (const url of this._urls) URL.revokeObjectURL(url);
    this._pictures = [];
    this._urls = [];
  }

  /** Returns how many faces are called what, and how many pictures have an error, as pairs of a name and a number. */
  counts() {
    const names = [...this._metadata.labels, this._config.undecided, "error"];
    const found = this.rows().map(({ gender }) => gender ?? "error");
    return names.map((name) => [name, found.filter((other) => other === name).length]);
  }

  /** Returns the rows as gender-score writes them. */
  rows() {
    return this._pictures.flatMap(({ name, error, faces, foundFaces }) => {
      if (error) return [{ path: name, error, face: -1, faces: 0 }];
      return faces.map(({ pFemale, x, y, width, height, score }, face) => {
        const row = { path: name, ...this._predict(pFemale) };
        if (!foundFaces) return row;
        const box = Object.entries({ x, y, width, height }).map(([key, value]) => [key, Math.round(value)]);
        const rounded = Math.round(score * 1e4) / 1e4;
        return { ...row, face, faces: faces.length, ...Object.fromEntries(box), detection_score: rounded };
      });
    });
  }

  /** @returns {string} gender-score's table; with a detector it has its columns of faces too. */
  csv() {
    const rows = this.rows();
    const found = this._pictures.some(({ foundFaces }) => foundFaces);
    const { columns, face_columns: ofFaces, fractions } = this._config;
    return csvOf(found ? [...columns, ...ofFaces] : columns, rows, new Set(fractions));
  }

  get size() {
    return this._pictures.length;
  }

  _predict(pFemale) {
    return predictionOf(pFemale, this._metadata, this.minConfidence, this._config.undecided);
  }

  _add(picture) {
    picture.body = document.createElement("tbody");
    if (picture.error) picture.body.append(errorRow(picture));
    if (picture.photo) picture.body.append(photoRow(picture));
    picture.faces.forEach((face, number) => {
      face.row = faceRow(picture, face, number);
      picture.body.append(face.row);
    });
    this._pictures.push(picture);
    this._label(picture);
    this._table.append(picture.body);
  }

  _label(picture) {
    const { undecided } = this._config;
    const boxes = picture.faces.map((face) => {
      const prediction = this._predict(face.pFemale);
      fillRow(face.row, prediction, undecided);
      return { ...face, gender: prediction.gender, text: sayShortly(prediction, undecided) };
    });
    if (picture.photo) drawBoxes(picture.body.querySelector("svg"), picture, boxes);
  }

  async _toUrl(canvas) {
    const url = URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 }));
    this._urls.push(url);
    return url;
  }
}

function shrunk(canvas, longest) {
  const scale = Math.min(1, longest / Math.max(canvas.width, canvas.height));
  const [width, height] = [canvas.width, canvas.height].map((side) => Math.max(1, Math.round(side * scale)));
  const result = new OffscreenCanvas(width, height);
  const context = result.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, width, height);
  return result;
}

function add(parent, tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return parent.appendChild(element);
}

function errorRow({ name, error }) {
  const row = document.createElement("tr");
  row.className = "error";
  add(row, "td", { class: "picture" });
  add(row, "th", { scope: "row" }, name);
  add(row, "td", { colspan: 3, class: "label" }, error);
  return row;
}

function photoRow({ name, photo, width, height }) {
  const row = document.createElement("tr");
  row.className = "photo";
  const figure = add(add(row, "td", { colspan: 5 }), "div", { class: "frame" });
  add(figure, "img", { src: photo, alt: `${name} with its faces marked`, width, height, loading: "lazy" });
  figure.append(makeOverlay());
  return row;
}

function faceRow({ name, faces, foundFaces }, { thumbnail }, number) {
  const row = document.createElement("tr");
  const called = foundFaces && faces.length > 1 ? `${name}, face ${number + 1} of ${faces.length}` : name;
  add(add(row, "td", { class: "picture" }), "img", { src: thumbnail, alt: "", width: 56, height: 56, loading: "lazy" });
  add(row, "th", { scope: "row" }, called);
  add(row, "td", { class: "label" });
  const bar = add(row, "td", { class: "bar", "aria-hidden": "true" });
  add(add(bar, "span", { class: "track" }), "span", { class: "fill" });
  add(row, "td", { class: "probability" });
  return row;
}

function fillRow(row, prediction, undecided) {
  row.className = prediction.gender;
  row.querySelector(".label").textContent = sayShortly(prediction, undecided);
  row.querySelector(".fill").style.width = `${100 * prediction.p_female}%`;
  row.querySelector(".probability").textContent = prediction.p_female.toFixed(3);
}
