/**
 * Wasm code as nested byte lists: an expression is the bytes that leave one value on the stack, a
 * statement the bytes that leave none, so that composing code is nesting lists.
 *
 * @module
 */

/** The value types that kernels use. */
export type ValueType = "i32" | "f32" | "v128";

/** Nested code bytes; flattened once, when the module is written. */
export type Code = number | Uint8Array | readonly Code[];

/** Code that leaves one value of type `T` on the stack. */
export interface Expression<T extends ValueType> {
  /** The type of its value. */
  readonly type: T;
  /** The bytes that compute it. */
  readonly code: Code;
}

/** Code that leaves nothing on the stack. */
export interface Statement {
  /** Tells statements from expressions. */
  readonly type: "statement";
  /** The bytes that do it. */
  readonly code: Code;
}

/** Makes an expression out of code. */
export function expression<T extends ValueType>(type: T, code: Code): Expression<T> {
  return { type, code };
}

/** Makes a statement out of code. */
export function statement(code: Code): Statement {
  return { type: "statement", code };
}

/** How many bytes nested code has. */
function countBytes(code: Code): number {
  if (typeof code === "number") return 1;
  if (code instanceof Uint8Array) return code.length;
  let count = 0;
  for (const part of code) count += countBytes(part);
  return count;
}

/** Writes nested code from a place on; gives the place after it. */
function writeBytes(code: Code, bytes: Uint8Array, at: number): number {
  if (typeof code === "number") {
    bytes[at] = code;
    return at + 1;
  }
  if (code instanceof Uint8Array) {
    bytes.set(code, at);
    return at + code.length;
  }
  let end = at;
  for (const part of code) end = writeBytes(part, bytes, end);
  return end;
}

/** The bytes of nested code, in order. */
export function flatten(code: Code): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(countBytes(code));
  writeBytes(code, bytes, 0);
  return bytes;
}

/** Unsigned LEB128 of an integer in 0 .. 2^32 - 1. */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer. */
export function signedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

/** The four little-endian bytes of an f32. */
export function floatBytes(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}

/** A UTF-8 name with its length in front. */
export function nameBytes(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  return [...unsignedLeb(bytes.length), ...bytes];
}
