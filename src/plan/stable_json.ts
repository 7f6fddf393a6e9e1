/**
 * JSON text that tells apart every value that a spec or an attribute can hold.
 *
 * @module
 */

function numberText(value: number): string {
  if (Number.isFinite(value) && !Object.is(value, -0)) return `${value}`;
  return Object.is(value, -0) ? '"-0"' : `"${value}"`;
}

function listText(values: readonly unknown[]): string {
  let text = "[";
  for (let i = 0; i < values.length; i++) text += (i > 0 ? "," : "") + stableJson(values[i]);
  return text + "]";
}

function recordText(value: object): string {
  let text = "{";
  for (const [name, content] of Object.entries(value)) {
    if (content === undefined) continue;
    text += `${text === "{" ? "" : ","}${JSON.stringify(name)}:${stableJson(content)}`;
  }
  return text + "}";
}

/** JSON with -0, infinities, NaN and the content of arrays kept apart. */
export function stableJson(value: unknown): string {
  // Written out by hand: planning asks for thousands of keys, and a replacer is several times slower.
  if (typeof value === "number") return numberText(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return listText(value);
  if (value instanceof Float32Array || value instanceof Int32Array) {
    return `"${value.constructor.name}:${hashBytes(value)}"`;
  }
  return recordText(value);
}

/** A 106-bit hash of a text, as hexadecimal digits. */
export function hashText(text: string): string {
  return hashBytes(new TextEncoder().encode(text));
}

/** The bytes as 32-bit words, zeros after the last one. */
function wordsOf(view: ArrayBufferView): Int32Array {
  const { buffer, byteOffset, byteLength } = view;
  if (byteOffset % 4 === 0 && byteLength % 4 === 0) {
    return new Int32Array(buffer, byteOffset, byteLength / 4);
  }
  const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
  padded.set(new Uint8Array(buffer, byteOffset, byteLength));
  return new Int32Array(padded.buffer);
}

/** A hash of an array's bytes: two multiplicative lanes with different seeds, 53 bits each. */
export function hashBytes(view: ArrayBufferView): string {
  const words = wordsOf(view);
  return lanes(words, 0x9e3779b9 ^ view.byteLength, 0x85ebca6b) +
    lanes(words, 0x27d4eb2f ^ view.byteLength, 0x165667b1);
}

function lanes(words: Int32Array, seed1: number, seed2: number): string {
  let [a, b] = [seed1, seed2];
  for (let i = 0; i < words.length; i++) {
    // The rotation brings the high bits of a word back down, where the product mixes them again.
    a = Math.imul(a ^ words[i], 0x9e3779b1);
    a = (a << 15) | (a >>> 17);
    b = Math.imul(b ^ words[i], 0x5f356495);
    b = (b << 13) | (b >>> 19);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (2 ** 32 * (b & 0x1fffff) + (a >>> 0)).toString(16).padStart(14, "0");
}
