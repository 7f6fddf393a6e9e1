/**
 * The two 16-bit float formats of model files, IEEE binary16 and bfloat16, to and from f32.
 *
 * @module
 */

// All 65,536 values of binary16: a table look-up is several times faster than DataView.getFloat16.
const HALF_VALUES: Float32Array = Float32Array.from(
  new Float16Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer),
);

/**
 * The f32 value of 16 bits read as IEEE binary16; exact for every pattern, subnormals included.
 *
 * @example
 * ```ts
 * import { float16ToNumber } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(float16ToNumber(0x3c00), 1);
 * assertEquals(float16ToNumber(0x0001), 2 ** -24);
 * ```
 */
export function float16ToNumber(bits: number): number {
  return HALF_VALUES[bits & 0xffff];
}

/**
 * The binary16 pattern nearest to a number, ties to even; too large becomes infinity.
 *
 * @example
 * ```ts
 * import { numberToFloat16 } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(numberToFloat16(1), 0x3c00);
 * assertEquals(numberToFloat16(2049), numberToFloat16(2048)); // halfway, to even
 * ```
 */
export function numberToFloat16(value: number): number {
  const view = new DataView(new ArrayBuffer(2));
  view.setFloat16(0, value);
  return view.getUint16(0);
}

/**
 * Reads `values.length` binary16 numbers, little endian, from `bytes` into `values`.
 */
export function decodeFloat16(bytes: Uint8Array, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    values[i] = HALF_VALUES[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
  }
}

/** Writes f32 numbers as binary16, little endian, nearest with ties to even. */
export function encodeFloat16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat16(2 * i, values[i], true);
  return bytes;
}

/** Reads `values.length` bfloat16 numbers (the upper half of an f32), little endian. */
export function decodeBfloat16(bytes: Uint8Array, values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    bits[i] = ((bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24)) >>> 0;
  }
}

/** Writes f32 numbers as bfloat16, little endian, nearest with ties to even; NaN stays NaN. */
export function encodeBfloat16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length * 2);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const isNotANumber = (bits[i] & 0x7fffffff) > 0x7f800000;
    // Adding half of the dropped unit, less one when the kept part is even, rounds ties to even.
    const rounded = isNotANumber
      ? (bits[i] >>> 16) | 0x40
      : (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
    bytes[2 * i] = rounded & 0xff;
    bytes[2 * i + 1] = rounded >>> 8;
  }
  return bytes;
}
