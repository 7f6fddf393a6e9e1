/**
 * f32 numbers to binary16, rounded to the nearest, ties to even; and back.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { f32x4, i32x4, v128 } from "./assembler_ops.ts";

type V128 = Expression<"v128">;

/** Numbers from here on round to infinity: halfway from the largest, 65504, to 65536. */
export const HALF_OVERFLOW = 65520;
const HALF_INFINITY = 65536;
const SMALLEST_NORMAL = 2 ** -14;
/** Added to a smaller number, it leaves the multiples of 2^-24 that binary16 has there. */
const SUBNORMAL_ROUNDING = 0.75;
const SIGN = -0x80000000;
/** Bits of the significand that f32 has and binary16 has not. */
const DROPPED_BITS = 13;
/** The pattern that every NaN is stored as. */
const HALF_NAN = 0x7e00;
/** Where sign and magnitude of binary16 lie in an f32, and the exponent of what is not finite. */
const PLACES = 0x8fffe000 | 0;
const LARGEST_EXPONENT = 0x0f800000;

function every(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(i32x4.constant(value, value, value, value));
}

function everyFloat(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(f32x4.constant(value));
}

/** Magnitudes rounded to binary16, as f32; 65536 or more stands for infinity. */
function roundMagnitude(builder: FunctionBuilder, magnitude: Local<"v128">): V128 {
  const odd = v128.and(i32x4.shrU(magnitude, DROPPED_BITS), every(builder, 1));
  const half = every(builder, (1 << (DROPPED_BITS - 1)) - 1);
  const raised = i32x4.add(i32x4.add(magnitude, half), odd);
  const normal = v128.and(raised, every(builder, -(1 << DROPPED_BITS)));
  const rounding = everyFloat(builder, SUBNORMAL_ROUNDING);
  const subnormal = f32x4.sub(f32x4.add(magnitude, rounding), rounding);
  const isSubnormal = f32x4.lt(magnitude, everyFloat(builder, SMALLEST_NORMAL));
  return v128.bitselect(subnormal, normal, isSubnormal);
}

/** The nearest binary16 numbers, as f32; they are below {@link HALF_OVERFLOW} in magnitude. */
export function roundToHalf(builder: FunctionBuilder, value: Local<"v128">): V128 {
  const sign = every(builder, SIGN);
  const rounded = roundMagnitude(builder, builder.local(v128.andNot(value, sign)));
  return v128.or(rounded, v128.and(value, sign));
}

/** The bits of the nearest binary16 numbers, one in the low half of each lane; none is NaN. */
export function halfBits(builder: FunctionBuilder, value: Local<"v128">): V128 {
  const magnitude = builder.local(f32x4.abs(value));
  const rounded = roundMagnitude(builder, magnitude);
  const capped = f32x4.pmin(rounded, everyFloat(builder, HALF_INFINITY));
  // The exponent's bias goes from 127 to 15; what is subnormal in binary16 becomes so in f32.
  const scaled = f32x4.mul(capped, everyFloat(builder, 2 ** -112));
  const sign = v128.and(i32x4.shrU(value, 16), every(builder, 0x8000));
  return v128.or(i32x4.shrU(scaled, DROPPED_BITS), sign);
}

/** As {@link halfBits}, of any number: every NaN is the same. */
function bitsOf(builder: FunctionBuilder, value: Local<"v128">): V128 {
  const isNumber = f32x4.eq(value, value);
  return v128.bitselect(halfBits(builder, value), every(builder, HALF_NAN), isNumber);
}

/** Two binary16 numbers in each lane, `low` in its low half. */
export function packedHalves(
  builder: FunctionBuilder,
  low: Local<"v128">,
  high: Local<"v128">,
): V128 {
  return v128.or(bitsOf(builder, low), i32x4.shl(bitsOf(builder, high), 16));
}

/**
 * Sign and magnitude of the numbers in the high halves in the places of an f32, the exponent too
 * small by 112.
 */
function placed(builder: FunctionBuilder, high: V128): Local<"v128"> {
  return builder.local(v128.and(i32x4.shrS(high, 3), every(builder, PLACES)));
}

function exact(builder: FunctionBuilder, bits: Local<"v128">): V128 {
  const largest = every(builder, LARGEST_EXPONENT);
  const isSpecial = i32x4.eq(v128.and(bits, largest), largest);
  const special = v128.and(isSpecial, everyFloat(builder, Infinity));
  return v128.or(f32x4.mul(bits, everyFloat(builder, 2 ** 112)), special);
}

/** The f32 values of the low halves of each lane. */
export function lowHalves(builder: FunctionBuilder, words: Local<"v128">): V128 {
  return exact(builder, placed(builder, i32x4.shl(words, 16)));
}

/** The f32 values of the high halves of each lane. */
export function highHalves(builder: FunctionBuilder, words: Local<"v128">): V128 {
  return exact(builder, placed(builder, words));
}

/**
 * The f32 values of both halves of each lane, low ones first, by the rule of `storedHalf`: what is
 * not finite counts as a number from 65536 on, which saves a third of the arithmetic.
 */
export function storedHalves(builder: FunctionBuilder, words: Local<"v128">): Local<"v128">[] {
  const up = everyFloat(builder, 2 ** 112);
  return unscaledHalves(builder, words).map((half) => builder.local(f32x4.mul(half, up)));
}

/** As {@link storedHalves}, but 2^112 times too small. */
export function unscaledHalves(builder: FunctionBuilder, words: Local<"v128">): Local<"v128">[] {
  return [i32x4.shl(words, 16), words].map((high) => placed(builder, high));
}

/** Factors of 0 to 2^15 for {@link unscaledHalves}, as much too large. */
export function scaledForHalves(builder: FunctionBuilder, factors: V128): V128 {
  return f32x4.mul(factors, everyFloat(builder, 2 ** 112));
}
