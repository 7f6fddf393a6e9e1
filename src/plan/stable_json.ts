/**
 * JSON text that tells apart every value that a spec or an attribute can hold.
 *
 * @module
 */

function replacer(_: string, value: unknown): unknown {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return Object.is(value, -0) ? "-0" : String(value);
  }
  if (value instanceof Float32Array || value instanceof Int32Array) {
    return `${value.constructor.name}:${hashBytes(value)}`;
  }
  return value;
}

/** JSON with -0, infinities, NaN and the content of arrays kept apart. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, replacer);
}

/** A 106-bit hash of a text, as hexadecimal digits. */
export function hashText(text: string): string {
  return hashBytes(new TextEncoder().encode(text));
}

/** A hash of an array's bytes: two multiplicative lanes with different seeds, 53 bits each. */
export function hashBytes(view: ArrayBufferView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return lanes(bytes, 0x9e3779b9, 0x85ebca6b) + lanes(bytes, 0x27d4eb2f, 0x165667b1);
}

function lanes(bytes: Uint8Array, seed1: number, seed2: number): string {
  let [a, b] = [seed1 ^ bytes.length, seed2];
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x9e3779b1);
    b = Math.imul(b ^ byte, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (2 ** 32 * (b & 0x1fffff) + (a >>> 0)).toString(16).padStart(14, "0");
}
