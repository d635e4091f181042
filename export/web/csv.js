/** Tables as gender-score writes them: see `CsvRecords` in export/records.py. */

/**
 * @param {string[]} columns
 * @param {object[]} rows column -> text, number, or nothing.
 * @param {Set<string>} fractions columns whose numbers are no whole ones.
 * @returns {string}
 */
export function csvOf(columns, rows, fractions) {
  const lines = rows.map((row) => columns.map((column) => field(row[column], fractions.has(column))));
  return [columns.map((column) => field(column)), ...lines].map((fields) => `${fields.join(",")}\n`).join("");
}

function field(value, isFraction) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return isFraction ? fraction(value) : String(value);
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Spells a number in [0, 1] as Python does. */
function fraction(value) {
  if (Number.isInteger(value)) return `${value}.0`;
  if (value >= 1e-4) return String(value);
  return value.toExponential().replace(/e-(\d)$/, "e-0$1");
}
