/** What a probability means, as `Prediction.from_probability` in gender_tfds/run_folder.py says it. */

/**
 * @param {number} pFemale
 * @param {{labels: string[], threshold: number}} metadata of the model.
 * @param {number} minConfidence below which a face is undecided.
 * @param {string} undecided what it is called then.
 * @returns {{gender: string, confidence: number, p_female: number}}
 */
export function predictionOf(pFemale, metadata, minConfidence, undecided) {
  const female = pFemale > metadata.threshold;
  const confidence = female ? pFemale : 1 - pFemale;
  const gender = confidence >= minConfidence ? metadata.labels[Number(female)] : undecided;
  return { gender, confidence: roundTo6(confidence), p_female: roundTo6(pFemale) };
}

/**
 * Rounds to six digits as Python does: what lies exactly between two becomes the even one. Multiples of 1/128, which an
 * int8 model gives, do lie so.
 *
 * @param {number} value in [0, 1].
 * @returns {number}
 */
export function roundTo6(value) {
  const exact = value.toFixed(20);
  if (!/^\d\.\d{6}50{13}$/.test(exact) || !Number.isInteger(value * 2 ** 20)) return Number(value.toFixed(6));
  const below = exact.slice(0, 8);
  return Number(below.at(-1) % 2 === 0 ? below : value.toFixed(6));
}
