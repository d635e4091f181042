/** What was chosen or dropped becomes a list of pictures with names, in the order of gender-score's listing. */

/**
 * @typedef {object} Listed
 * @property {{name: string, file: File}[]} pictures in the order of the bytes of their names.
 * @property {number} others files in folders that are no pictures by their suffix.
 */

/**
 * @param {Iterable<File>} files chosen one by one, or as a folder.
 * @param {string[]} suffixes of pictures, in lower case.
 * @returns {Listed}
 */
export function listFiles(files, suffixes) {
  return listed(Array.from(files, (file) => ({ name: file.webkitRelativePath || file.name, file })), suffixes);
}

/**
 * @param {DataTransfer} transfer of a drop; read before anything is awaited, as a browser demands.
 * @param {string[]} suffixes
 * @returns {Promise<Listed>}
 */
export async function listDropped(transfer, suffixes) {
  const items = Array.from(transfer.items).filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return listed(found, suffixes);
}

async function collect(entry, found) {
  if (entry instanceof File) {
    found.push({ name: entry.name, file: entry });
  } else if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: entry.fullPath.slice(1), file });
  } else {
    const reader = entry.createReader();
    const some = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    // a browser gives a hundred at a time
    for (let batch = await some(); batch.length; batch = await some()) {
      for (const child of batch) await collect(child, found);
    }
  }
}

function listed(found, suffixes) {
  const isPicture = ({ name }) => !name.includes("/") || suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  const pictures = found.filter(isPicture);
  const others = found.length - pictures.length;
  const roots = new Set(found.map(({ name }) => (name.includes("/") ? name.slice(0, name.indexOf("/") + 1) : "")));
  // in one folder the names are relative to it
  const cut = roots.size === 1 ? [...roots][0].length : 0;
  const encoder = new TextEncoder();
  const keyed = pictures.map(({ name, file }) => ({ name: name.slice(cut), file, key: encoder.encode(name) }));
  keyed.sort((one, other) => compareBytes(one.key, other.key));
  return { pictures: keyed.map(({ name, file }) => ({ name, file })), others };
}

function compareBytes(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) if (one[at] !== other[at]) return one[at] - other[at];
  return one.length - other.length;
}
