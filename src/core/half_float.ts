/**
 * IEEE binary16, the storage type of block scales, of f16 weights and of keys and values.
 *
 * @module
 */

// All 65,536 patterns: a table look-up is several times faster than a DataView.
const HALF_VALUES: Float32Array = Float32Array.from(
  new Float16Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer),
);

/** The f32 value of 16 bits read as binary16; exact for every pattern. */
export function halfToNumber(bits: number): number {
  return HALF_VALUES[bits & 0xffff];
}

/** The pattern that every NaN is stored as. */
const HALF_NAN = 0x7e00;

/** The binary16 patterns nearest to the numbers, ties to even; too large becomes infinity. */
export function numbersToHalves(values: ArrayLike<number>): Uint16Array {
  return new Uint16Array(Float16Array.from(values).buffer);
}

/** Two numbers as binary16 in one i32, the first in the low half. */
export function halvesToWord(low: number, high: number): number {
  const bits = numbersToHalves([low, high]);
  const pattern = (value: number, half: number): number => Number.isNaN(value) ? HALF_NAN : half;
  return pattern(high, bits[1]) << 16 | pattern(low, bits[0]);
}
