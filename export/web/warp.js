/** Turns, scales and moves a face so that its points lie where a template says. */

import { pixelsOf } from "./picture.js";

const MOST_SAMPLES = 8; // along a side of a pixel of the result

/**
 * Returns the similarity that brings points nearest to those of a template, by least squares: Umeyama, "Least-squares
 * estimation of transformation parameters between two point patterns", 1991. In the plane, with points as complex
 * numbers, it is z → a·z + b.
 *
 * @param {number[][]} points in pixels of a picture.
 * @param {number[][]} template the same points in parts of a crop's side.
 * @returns {{back: (point: number[]) => number[], scale: number}} what gives the picture's place of a point of the
 *   crop, and how many pixels of the picture the crop's side is.
 */
export function similarity(points, template) {
  const mean = (some, axis) => some.reduce((sum, point) => sum + point[axis], 0) / some.length;
  const [px, py, tx, ty] = [mean(points, 0), mean(points, 1), mean(template, 0), mean(template, 1)];
  let [real, imaginary, square] = [0, 0, 0];
  points.forEach(([x, y], at) => {
    const [dx, dy, ex, ey] = [x - px, y - py, template[at][0] - tx, template[at][1] - ty];
    real += dx * ex + dy * ey;
    imaginary += dx * ey - dy * ex;
    square += dx * dx + dy * dy;
  });
  const [a, b] = [real / square, imaginary / square];
  const length = a * a + b * b;
  const back = ([x, y]) => {
    const [dx, dy] = [x - tx, y - ty];
    return [px + (a * dx + b * dy) / length, py + (a * dy - b * dx) / length];
  };
  return { back, scale: 1 / Math.sqrt(length) };
}

/**
 * Returns the crop that a similarity names. Where a face shrinks by much, each pixel is the mean of several samples.
 *
 * @param {OffscreenCanvas} canvas
 * @param {ReturnType<typeof similarity>} turn
 * @param {number} size of the crop in pixels.
 * @returns {ImageData}
 */
export function warp(canvas, turn, size) {
  const samples = Math.max(1, Math.min(MOST_SAMPLES, Math.round(turn.scale / size)));
  const step = 1 / (size * samples);
  const source = around(canvas, turn);
  const [[x0, y0], [x1, y1]] = [turn.back([0, 0]), turn.back([1, 0])];
  const [dx, dy] = [(x1 - x0) * step, (y1 - y0) * step];
  const sums = new Float32Array(size * size * 3);
  for (let row = 0; row < size * samples; row++) {
    for (let column = 0; column < size * samples; column++) {
      // middles of samples, in a picture whose pixels have their middles at whole numbers
      const [u, v] = [column + 0.5, row + 0.5];
      const to = (Math.floor(row / samples) * size + Math.floor(column / samples)) * 3;
      addSample(source, x0 + u * dx - v * dy - 0.5, y0 + u * dy + v * dx - 0.5, sums, to);
    }
  }
  const crop = new ImageData(size, size);
  for (let from = 0, to = 0; from < sums.length; to++) {
    for (let channel = 0; channel < 3; channel++) crop.data[to++] = sums[from++] / (samples * samples);
    crop.data[to] = 255;
  }
  return crop;
}

/** Returns the pixels of the part of a picture that a crop needs: of a large photo the rest would be read in vain. */
function around(canvas, turn) {
  const corners = [[0, 0], [1, 0], [0, 1], [1, 1]].map(turn.back);
  const range = (axis, side) => {
    const some = corners.map((corner) => corner[axis]);
    const low = Math.max(0, Math.min(side - 1, Math.floor(Math.min(...some)) - 1));
    return [low, Math.max(low + 1, Math.min(side, Math.ceil(Math.max(...some)) + 2))];
  };
  const [[left, right], [top, bottom]] = [range(0, canvas.width), range(1, canvas.height)];
  const { data, width, height } = pixelsOf(canvas, left, top, right - left, bottom - top);
  return { data, width, height, left, top };
}

/** Adds the picture's colour at a place, between four pixels; outside the picture that of its border. */
function addSample({ data, width, height, left, top }, x, y, sums, to) {
  const [u, v] = [Math.max(0, Math.min(width - 1, x - left)), Math.max(0, Math.min(height - 1, y - top))];
  const column = Math.min(Math.floor(u), Math.max(0, width - 2));
  const row = Math.min(Math.floor(v), Math.max(0, height - 2));
  const [right, down] = [u - column, v - row];
  const at = (row * width + column) * 4;
  const beside = width > 1 ? 4 : 0;
  const below = height > 1 ? width * 4 : 0;
  for (let channel = at; channel < at + 3; channel++) {
    const upper = data[channel] * (1 - right) + data[channel + beside] * right;
    const lower = data[channel + below] * (1 - right) + data[channel + below + beside] * right;
    sums[to++] += upper * (1 - down) + lower * down;
  }
}
