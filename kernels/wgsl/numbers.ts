/**
 * Operations that WGSL leaves open or does not have: NaN, infinity, conversions, 16-bit floats.
 *
 * Compilers of shaders may take it that no number is NaN, so that bits decide what is one.
 *
 * @module
 */

/** The variables and functions by name. */
export const NUMBER_FUNCTIONS = {
  infinity_bits: "var<private> infinity_bits: u32 = 0x7f800000u;",
  nan_bits: "var<private> nan_bits: u32 = 0x7fc00000u;",
  is_nan: `fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }`,
  // NaN where either is; of two zeros the positive one.
  max_f32: `fn max_f32(a: f32, b: f32) -> f32 {
  let larger = select(b, a, a > b || is_nan(a));
  return select(larger, bitcast<f32>(bitcast<u32>(a) & bitcast<u32>(b)), a == b);
}`,
  min_f32: `fn min_f32(a: f32, b: f32) -> f32 {
  let smaller = select(b, a, a < b || is_nan(a));
  return select(smaller, bitcast<f32>(bitcast<u32>(a) | bitcast<u32>(b)), a == b);
}`,
  // Without the fraction: what is out of range saturates, and NaN is 0.
  truncate_f32: `fn truncate_f32(x: f32) -> i32 {
  let is_large = x >= 2147483648f;
  let is_small = x <= -2147483648f;
  let inside = i32(select(x, 0f, is_large || is_small || is_nan(x)));
  return select(select(inside, 2147483647i, is_large), i32(-2147483648), is_small);
}`,
  // The nearest binary16, ties to even; every NaN is the same. No step makes a subnormal f32.
  half_bits: `fn half_bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  let raised = magnitude + 0xfffu + ((magnitude >> 13u) & 1u);
  let normal = min((raised >> 13u) - 0x1c000u, 0x7c00u);
  let subnormal = bitcast<u32>(bitcast<f32>(magnitude) + 0.5f) - 0x3f000000u;
  let number = select(normal, subnormal, magnitude < 0x38800000u);
  return select(number | ((bits >> 16u) & 0x8000u), 0x7e00u, magnitude > 0x7f800000u);
}`,
  // The f32 value of the binary16 in the low half.
  half_value: `fn half_value(half: u32) -> f32 {
  let magnitude = half & 0x7fffu;
  let normal = (magnitude << 13u) + 0x38000000u;
  let number = select(normal, normal + 0x38000000u, magnitude >= 0x7c00u);
  let subnormal = bitcast<u32>(f32(magnitude) * 5.9604644775390625e-8f);
  let bits = select(number, subnormal, magnitude < 0x400u);
  return bitcast<f32>(bits | ((half & 0x8000u) << 16u));
}`,
} as const;
