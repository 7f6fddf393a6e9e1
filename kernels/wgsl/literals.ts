/**
 * Numbers as WGSL text.
 *
 * @module
 */

/** An f32 expression; what is not finite is made of bits at run time, where WGSL allows it. */
export function floatText(value: number): string {
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return "bitcast<f32>(nan_bits)";
  if (rounded === Infinity) return "bitcast<f32>(infinity_bits)";
  if (rounded === -Infinity) return "-bitcast<f32>(infinity_bits)";
  const bits = new Uint32Array(Float32Array.of(rounded).buffer)[0];
  const isNormal = rounded !== 0 ? Math.abs(rounded) >= 2 ** -126 : bits === 0;
  return isNormal ? `${rounded}f` : `bitcast<f32>(${bits}u)`;
}

/** An i32 expression. */
export function integerText(value: number): string {
  return value < 0 ? `i32(${value})` : `${value}i`;
}
