/** Resizes as gender_tfds/images_cv.py does: OpenCV's INTER_AREA when it shrinks, INTER_LINEAR when it enlarges. */

/**
 * Returns for each of `size` places which of `side` pixels it takes, and how much of each.
 *
 * By area: a place covers `side / size` pixels and takes each by the part of it that is covered. Bilinear: the two
 * pixels between whose centres a place's centre lies. OpenCV leaves out parts of less than a thousandth of a pixel.
 *
 * @returns {{first: number, parts: number[]}[]} the first pixel taken, and the weights of it and its successors.
 */
function weights(side, size) {
  const scale = side / size;
  return Array.from({ length: size }, (_, place) => (scale > 1 ? byArea : bilinear)(place, scale, side));
}

function byArea(place, scale, side) {
  const start = place * scale;
  const end = start + scale;
  const width = Math.min(scale, side - start);
  const last = Math.min(Math.floor(end), side - 1);
  const first = Math.min(Math.ceil(start), last);
  const parts = [];
  const before = first - start > 1e-3;
  if (before) parts.push((first - start) / width);
  for (let pixel = first; pixel < last; pixel++) parts.push(1 / width);
  if (end - last > 1e-3) parts.push(Math.min(end - last, 1, width) / width);
  return { first: first - before, parts };
}

function bilinear(place, scale, side) {
  const centre = (place + 0.5) * scale - 0.5;
  const first = Math.floor(centre);
  if (first < 0) return { first: 0, parts: [1] };
  if (first >= side - 1) return { first: side - 1, parts: [1] };
  return { first, parts: [1 - (centre - first), centre - first] };
}

/**
 * Returns a square picture at another size.
 *
 * @param {Uint8ClampedArray} square RGBA, (side, side, 4).
 * @param {number} side of the square in pixels.
 * @param {number} size of the result in pixels.
 * @param {number} nudge added before rounding: see `NUDGE` in gender_tfds/images_cv.py.
 * @returns {Uint8Array} RGB, (size, size, 3).
 */
export function resize(square, side, size, nudge) {
  const result = new Uint8Array(size * size * 3);
  if (side === size) {
    for (let to = 0, from = 0; to < result.length; from++) {
      result[to++] = square[from++];
      result[to++] = square[from++];
      result[to++] = square[from++];
    }
    return result;
  }
  const taken = weights(side, size);
  const rows = shrinkRows(square, side, size, taken);
  for (let y = 0; y < size; y++) {
    const { first, parts } = taken[y];
    for (let at = 0; at < size * 3; at++) {
      let sum = nudge;
      for (let part = 0; part < parts.length; part++) sum += parts[part] * rows[(first + part) * size * 3 + at];
      result[y * size * 3 + at] = roundHalfEven(sum);
    }
  }
  return result;
}

/** Resizes each row: (side, side, 4) becomes (side, size, 3). */
function shrinkRows(square, side, size, taken) {
  const rows = new Float64Array(side * size * 3);
  for (let y = 0, to = 0; y < side; y++) {
    for (const { first, parts } of taken) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let part = 0, from = (y * side + first) * 4; part < parts.length; part++, from += 4) {
        red += parts[part] * square[from];
        green += parts[part] * square[from + 1];
        blue += parts[part] * square[from + 2];
      }
      rows[to++] = red;
      rows[to++] = green;
      rows[to++] = blue;
    }
  }
  return rows;
}

function roundHalfEven(value) {
  const below = Math.floor(value);
  if (value - below === 0.5) return below + (below % 2);
  return Math.round(value);
}
