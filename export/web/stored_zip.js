/** Reads the archive that gender-export appends to a model: see `append_files` in export/associated_files.py. */

const END_OF_DIRECTORY = 0x06054b50;
const ENTRY = 0x02014b50;
const STORED = 0;

/**
 * Returns the bytes of a file in a zip archive that may stand behind something else.
 *
 * Layout: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
 *
 * @param {Uint8Array} bytes of the whole file.
 * @param {string} name of the wanted file.
 * @returns {Uint8Array}
 * @throws {Error} there is no archive, no such file in it, or it is compressed.
 */
export function readStored(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const directory = end - view.getUint32(end + 12, true);
  // offsets count from where the archive begins, which is not always where the file does
  const shift = directory - view.getUint32(end + 16, true);
  const text = new TextDecoder();
  for (let at = directory; at < end && view.getUint32(at, true) === ENTRY; ) {
    const nameLength = view.getUint16(at + 28, true);
    if (text.decode(bytes.subarray(at + 46, at + 46 + nameLength)) === name) {
      if (view.getUint16(at + 10, true) !== STORED) throw new Error(`${name} is compressed`);
      const local = shift + view.getUint32(at + 42, true);
      const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      return bytes.subarray(start, start + view.getUint32(at + 24, true));
    }
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  throw new Error(`there is no ${name} in it`);
}

function findEnd(view) {
  // a comment of up to 65,535 bytes may follow
  const earliest = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= earliest; at--) {
    if (view.getUint32(at, true) === END_OF_DIRECTORY) return at;
  }
  throw new Error("no archive is appended to it");
}
