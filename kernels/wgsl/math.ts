/**
 * Elementary functions of f32 in WGSL, so that every adapter computes them as well as the suite asks.
 *
 * exp x  = 2^n e^r             with n = round(x / ln 2), r = x - n ln 2
 * log x  = e ln 2 + 2 atanh s  with x = 2^e (1 + f), s = f / (2 + f)
 * sin, cos from the octant     with n = round(2 x / pi), r = x - n pi / 2
 * tanh x = 1 - 2 / (e^2x + 1), or x + x^3 T(x^2) near 0
 *
 * The polynomials are those of the Wasm kernels; their error is below 2e-8. Compilers of shaders may
 * cancel (x + c) - c, so that numbers are rounded by `round` alone.
 *
 * @module
 */
import { floatText as f } from "./literals.ts";

const EXP = [0.5, 0.1666657692, 0.04166655453, 0.008363190326, 0.001392619767];
const ATANH = [0.6666666655, 0.4000012311, 0.2855067734, 0.2333436484];
const SIN = [-0.1666666666, 0.008333331874, -0.0001984008635, 0.000002724987624];
const COS = [0.04166666466, -0.001388830285, 0.00002454790118];
const TANH = [-0.3333332892, 0.1333276776, -0.05385060911, 0.02099575388, -0.006094641308];
/** ln 2 and pi / 2 in parts so short that a small integer times all but the last is exact. */
const LN2 = [0.693145751953125, 0.000001428606765330187];
const HALF_PI = [1.5703125, 0.0004837512969970703, 7.549790126404332e-8];
const SQRT_HALF_BITS = 0x3f3504f3;

/** c0 + x (c1 + x (c2 + ...)). */
function polynomial(coefficients: readonly number[], x: string): string {
  const [first, ...rest] = coefficients;
  return rest.length === 0 ? f(first) : `fma(${polynomial(rest, x)}, ${x}, ${f(first)})`;
}

/**
 * The constant `name`: x minus n times a number given in parts. What is left after the first part is
 * small, and a bound on it keeps compilers from adding the parts up.
 */
function reduceBy(
  name: string,
  x: string,
  n: string,
  [first, ...parts]: readonly number[],
): string {
  const rest = parts.reduce((rest, part) => `fma(${n}, ${f(-part)}, ${rest})`, "bounded");
  return `let left = fma(${n}, ${f(-first)}, ${x});
  let bounded = select(left, 1000f, left > 1000f);
  let ${name} = ${rest};`;
}

/** The functions by name; each takes and gives f32. */
export const MATH_FUNCTIONS = {
  exp_f32: `fn exp_f32(x: f32) -> f32 {
  let clamped = select(select(x, 89f, x > 89f), -104f, x < -104f);
  let n = round(clamped * ${f(Math.LOG2E)});
  ${reduceBy("r", "clamped", "n", LN2)}
  let mantissa = fma(r * r, ${polynomial(EXP, "r")}, r) + 1f;
  // 2^n in two steps, so that results near both ends of the range come out right.
  let power = i32(n);
  let half = power >> 1u;
  let first = bitcast<f32>(bitcast<i32>(mantissa) + (half << 23u));
  let result = first * bitcast<f32>((power - half + 127i) << 23u);
  return select(result, x, is_nan(x));
}`,
  log_f32: `fn log_f32(x: f32) -> f32 {
  let is_tiny = x < ${f(2 ** -126)};
  let bits = bitcast<i32>(select(x, x * ${f(2 ** 23)}, is_tiny));
  let exponent = (bits - ${SQRT_HALF_BITS}i) >> 23u;
  let f = bitcast<f32>(bits - (exponent << 23u)) - 1f;
  let s = f / (f + 2f);
  let squared = s * s;
  let e = f32(select(exponent, exponent - 23i, is_tiny));
  let half_square = f * f * 0.5f;
  let series = squared * ${polynomial(ATANH, "squared")};
  let low = fma(s, half_square + series, e * ${f(LN2[1])});
  let finite = fma(e, ${f(LN2[0])}, f - (half_square - low));
  let from_zero = select(finite, -bitcast<f32>(infinity_bits), x == 0f);
  let is_ordinary = (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
  return select(select(x, from_zero, is_ordinary), bitcast<f32>(nan_bits), x < 0f);
}`,
  // Good to 1e-6 for |x| up to 10,000.
  sine_f32: `fn sine_f32(x: f32, quarter_turns: i32) -> f32 {
  let n = round(x * ${f(2 / Math.PI)});
  ${reduceBy("rest", "x", "n", HALF_PI)}
  let high = select(rest, ${f(Math.PI / 4 + 0.001)}, rest > ${f(Math.PI / 4 + 0.001)});
  let r = select(high, ${f(-Math.PI / 4 - 0.001)}, high < ${f(-Math.PI / 4 - 0.001)});
  let squared = r * r;
  let odd = fma(r * squared, ${polynomial(SIN, "squared")}, r);
  let even = fma(squared * squared, ${polynomial(COS, "squared")}, fma(squared, -0.5f, 1f));
  let quadrant = i32(n) + quarter_turns;
  let size = select(even, odd, (quadrant & 1i) == 0i);
  return select(size, -size, (quadrant & 2i) != 0i);
}`,
  sin_f32: `fn sin_f32(x: f32) -> f32 { return sine_f32(x, 0i); }`,
  cos_f32: `fn cos_f32(x: f32) -> f32 { return sine_f32(x, 1i); }`,
  tanh_f32: `fn tanh_f32(x: f32) -> f32 {
  let power = exp_f32(abs(x) + abs(x));
  let large = 1f - 2f / (power + 1f);
  let squared = x * x;
  let small = fma(x * squared, ${polynomial(TANH, "squared")}, x);
  return select(select(large, -large, x < 0f), small, abs(x) < 0.625f);
}`,
} as const;
