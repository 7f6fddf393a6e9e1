/**
 * Elementary functions on four f32 lanes.
 *
 * exp x  = 2^n e^r             with n = round(x / ln 2), r = x - n ln 2
 * log x  = e ln 2 + 2 atanh s  with x = 2^e (1 + f), s = f / (2 + f)
 * sin, cos from the octant     with n = round(2 x / pi), r = x - n pi / 2
 * tanh x = 1 - 2 / (e^2x + 1), or x + x^3 T(x^2) near 0
 *
 * The polynomials interpolate their functions at Chebyshev nodes; their error is below 2e-8.
 *
 * @module
 */
import type { FunctionBuilder } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { f32x4, i32x4, v128 } from "./assembler_ops.ts";
import { type Features, multiplyAdd } from "./kernel.ts";

type V128 = Expression<"v128">;

/** Where and for which engine the functions emit their code. */
export interface MathContext {
  /** Takes the code. */
  readonly builder: FunctionBuilder;
  /** What the engine offers. */
  readonly features: Features;
}

const EXP = [0.5, 0.1666657692, 0.04166655453, 0.008363190326, 0.001392619767];
const ATANH = [0.6666666655, 0.4000012311, 0.2855067734, 0.2333436484];
const SIN = [-0.1666666666, 0.008333331874, -0.0001984008635, 0.000002724987624];
const COS = [0.04166666466, -0.001388830285, 0.00002454790118];
const TANH = [-0.3333332892, 0.1333276776, -0.05385060911, 0.02099575388, -0.006094641308];
/** ln 2 and pi / 2 in parts so short that a small integer times all but the last is exact. */
const LN2 = [0.693145751953125, 0.000001428606765330187];
const HALF_PI = [1.5703125, 0.0004837512969970703, 7.549790126404332e-8];
const SMALLEST_NORMAL = 2 ** -126;
const MANTISSA_BITS = 23;
const EXPONENT_BIAS = 127;
const SQRT_HALF_BITS = 0x3f3504f3;
const TANH_SWITCH = 0.625;

function value({ builder }: MathContext, number: number): V128 {
  return builder.constant(f32x4.constant(number));
}

function integer({ builder }: MathContext, number: number): V128 {
  return builder.constant(i32x4.constant(number, number, number, number));
}

/** c0 + x (c1 + x (c2 + ...)). */
function polynomial(context: MathContext, coefficients: readonly number[], x: V128): V128 {
  return coefficients.reduceRight<V128 | undefined>(
    (sum, c) =>
      sum === undefined
        ? value(context, c)
        : multiplyAdd(context.features, sum, x, value(context, c)),
    undefined,
  ) ?? value(context, 0);
}

/** x minus n times a number given in parts. */
function reduceBy(context: MathContext, x: V128, n: V128, parts: readonly number[]): V128 {
  return parts.reduce(
    (rest, part) => multiplyAdd(context.features, n, value(context, -part), rest),
    x,
  );
}

/** x = n ln 2 + r with |r| below 0.35, for |x| below 2^21. */
interface PowerParts {
  /** e^r, between 0.7 and 1.42. */
  readonly mantissa: V128;
  /** Lanes whose low bits are the integer n. */
  readonly power: V128;
}

/** 1.5 * 2^23: adding it rounds a small number to an integer and leaves it in the low bits. */
const ROUNDER = 1.5 * 2 ** MANTISSA_BITS;

function powerParts(context: MathContext, x: V128): PowerParts {
  const { builder, features } = context;
  const rounder = value(context, ROUNDER);
  const power = builder.local(multiplyAdd(features, x, value(context, Math.LOG2E), rounder));
  const n = builder.local(f32x4.sub(power, rounder));
  const r = builder.local(reduceBy(context, x, n, LN2));
  const tail = multiplyAdd(features, f32x4.mul(r, r), polynomial(context, EXP, r), r);
  return { mantissa: f32x4.add(tail, value(context, 1)), power };
}

/** e^x: 0 on underflow, infinity on overflow. */
export function exp(context: MathContext, x: V128): V128 {
  const { builder } = context;
  const clamped = builder.local(
    f32x4.pmin(f32x4.pmax(x, value(context, -104)), value(context, 89)),
  );
  const { mantissa, power } = powerParts(context, clamped);
  // 2^n in two steps, so that results near both ends of the range come out right.
  const n = builder.local(i32x4.sub(power, value(context, ROUNDER)));
  const half = builder.local(i32x4.shrS(n, 1));
  const first = i32x4.add(mantissa, i32x4.shl(half, MANTISSA_BITS));
  const rest = i32x4.add(i32x4.sub(n, half), integer(context, EXPONENT_BIAS));
  return f32x4.mul(first, i32x4.shl(rest, MANTISSA_BITS));
}

/** e^x for x of 0 or below: 0 where the result would be subnormal. */
export function expOfNegative(context: MathContext, x: V128): V128 {
  const { builder } = context;
  const lowest = value(context, -87);
  const { mantissa, power } = powerParts(context, builder.local(f32x4.pmax(x, lowest)));
  const result = i32x4.add(mantissa, i32x4.shl(power, MANTISSA_BITS));
  return v128.andNot(result, f32x4.lt(x, lowest));
}

/** Natural logarithm: -infinity at 0, NaN below. */
export function log(context: MathContext, x: V128): V128 {
  const { builder, features } = context;
  const tiny = builder.local(f32x4.lt(x, value(context, SMALLEST_NORMAL)));
  const scaled = f32x4.mul(x, value(context, 2 ** MANTISSA_BITS));
  const bits = builder.local(v128.bitselect(scaled, x, tiny));
  const exponent = builder.local(
    i32x4.shrS(i32x4.sub(bits, integer(context, SQRT_HALF_BITS)), MANTISSA_BITS),
  );
  const mantissa = i32x4.sub(bits, i32x4.shl(exponent, MANTISSA_BITS));
  const f = builder.local(f32x4.sub(mantissa, value(context, 1)));
  const s = builder.local(f32x4.div(f, f32x4.add(f, value(context, 2))));
  const squared = builder.local(f32x4.mul(s, s));
  const shift = v128.and(tiny, integer(context, MANTISSA_BITS));
  const e = builder.local(f32x4.convertI32(i32x4.sub(exponent, shift)));
  const halfSquare = builder.local(f32x4.mul(f32x4.mul(f, f), value(context, 0.5)));
  const series = f32x4.mul(squared, polynomial(context, ATANH, squared));
  const low = multiplyAdd(
    features,
    s,
    f32x4.add(halfSquare, series),
    f32x4.mul(e, value(context, LN2[1])),
  );
  const finite = multiplyAdd(
    features,
    e,
    value(context, LN2[0]),
    f32x4.sub(f, f32x4.sub(halfSquare, low)),
  );
  const atZero = v128.bitselect(
    value(context, -Infinity),
    finite,
    f32x4.eq(x, value(context, 0)),
  );
  const ordinary = f32x4.lt(x, value(context, Infinity));
  const upTo = v128.bitselect(atZero, x, ordinary);
  return v128.bitselect(value(context, NaN), upTo, f32x4.lt(x, value(context, 0)));
}

/** sin(x + quarterTurns pi / 2), good to 1e-6 for |x| up to 10,000. */
function sine(context: MathContext, x: V128, quarterTurns: number): V128 {
  const { builder, features } = context;
  const n = builder.local(f32x4.nearest(f32x4.mul(x, value(context, 2 / Math.PI))));
  const limit = value(context, Math.PI / 4 + 0.001);
  const rest = reduceBy(context, x, n, HALF_PI);
  const r = builder.local(f32x4.pmin(f32x4.pmax(rest, f32x4.neg(limit)), limit));
  const squared = builder.local(f32x4.mul(r, r));
  const odd = multiplyAdd(
    features,
    f32x4.mul(r, squared),
    polynomial(context, SIN, squared),
    r,
  );
  const even = multiplyAdd(
    features,
    f32x4.mul(squared, squared),
    polynomial(context, COS, squared),
    multiplyAdd(features, squared, value(context, -0.5), value(context, 1)),
  );
  const quadrant = builder.local(
    i32x4.add(i32x4.truncate(n), integer(context, quarterTurns)),
  );
  const isOdd = i32x4.eq(v128.and(quadrant, integer(context, 1)), integer(context, 1));
  const sign = i32x4.shl(v128.and(quadrant, integer(context, 2)), 30);
  return v128.xor(v128.bitselect(even, odd, isOdd), sign);
}

/** Sine of an angle in radians. */
export function sin(context: MathContext, x: V128): V128 {
  return sine(context, x, 0);
}

/** Cosine of an angle in radians. */
export function cos(context: MathContext, x: V128): V128 {
  return sine(context, x, 1);
}

/** Hyperbolic tangent. */
export function tanh(context: MathContext, x: V128): V128 {
  const { builder, features } = context;
  const size = builder.local(f32x4.abs(x));
  const power = exp(context, builder.local(f32x4.add(size, size)));
  const one = value(context, 1);
  const large = f32x4.sub(one, f32x4.div(value(context, 2), f32x4.add(power, one)));
  const signed = v128.or(large, v128.and(x, integer(context, -(2 ** 31))));
  const squared = builder.local(f32x4.mul(x, x));
  const small = multiplyAdd(
    features,
    f32x4.mul(x, squared),
    polynomial(context, TANH, squared),
    x,
  );
  return v128.bitselect(small, signed, f32x4.lt(size, value(context, TANH_SWITCH)));
}
