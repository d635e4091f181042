/** Encoded pictures become upright pixels, in the colours that stand in the file, as gender_tfds/images_cv.py reads. */

import { resize } from "./resize.js";

const HEIC = ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"];

/**
 * Returns a picture on a canvas whose pixels are read fast and exactly.
 *
 * @param {Blob} file
 * @param {number} maxPixels that a picture may hold.
 * @returns {Promise<OffscreenCanvas>}
 * @throws {Error} why it can't be decoded, in a sentence for the table.
 */
export async function decode(file, maxPixels) {
  if (file.size === 0) throw new Error("the file is empty");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error(await reason(file));
  }
  try {
    if (bitmap.width * bitmap.height > maxPixels) throw new Error(`more than ${maxPixels.toLocaleString("en")} pixels`);
    return draw(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/**
 * @param {CanvasImageSource} source a bitmap, or a video's frame.
 * @returns {OffscreenCanvas}
 * @throws {Error} the browser has no canvas of this size.
 */
export function draw(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  // a canvas that is too large for a browser draws nothing, and says nothing
  context?.fillRect(width - 1, height - 1, 1, 1);
  if (!context?.getImageData(width - 1, height - 1, 1, 1).data[3]) {
    throw new Error(`${width} × ${height} pixels are more than this browser can draw`);
  }
  context.globalCompositeOperation = "copy";
  context.drawImage(source, 0, 0);
  return canvas;
}

/**
 * @param {OffscreenCanvas} canvas
 * @returns {ImageData}
 */
export function pixelsOf(canvas, left = 0, top = 0, width = canvas.width, height = canvas.height) {
  return canvas.getContext("2d", { willReadFrequently: true }).getImageData(left, top, width, height);
}

/** Returns where the centred square of a picture lies. */
export function centredSquare({ width, height }) {
  const side = Math.min(width, height);
  return { x: Math.floor((width - side) / 2), y: Math.floor((height - side) / 2), width: side, height: side };
}

/**
 * Returns the centred square of a picture as a model takes it.
 *
 * @param {OffscreenCanvas} canvas
 * @param {number} size of the result in pixels.
 * @param {number} nudge see `resize`.
 * @returns {Uint8Array} RGB, (size, size, 3).
 */
export function cropCentre(canvas, size, nudge) {
  const { x, y, width } = centredSquare(canvas);
  return resize(pixelsOf(canvas, x, y, width, width).data, width, size, nudge);
}

async function reason(file) {
  const brand = new TextDecoder("latin1").decode(await file.slice(4, 12).arrayBuffer().catch(() => new ArrayBuffer()));
  if (brand.startsWith("ftyp") && HEIC.includes(brand.slice(4))) {
    return "HEIC, which this browser can't decode; convert it to JPEG";
  }
  return "not a picture that this browser can decode, or damaged";
}
