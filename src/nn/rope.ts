/**
 * Rotary position embedding (Su et al., 2021).
 *
 * Pair i of a head turns by position * base^(-2 i / headWidth). The angles come from tables
 * computed in double precision, so every backend sees the same numbers.
 *
 * @module
 */
import { add, mul, sub } from "../core/elementwise_ops.ts";
import { gather } from "../core/linear_ops.ts";
import { concat, constant, reshape, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import type { LlamaConfig, RopePairing } from "./llama_config.ts";

/** The cosines and sines of each row's angles, `[rows, 1, headWidth / 2]`. */
export interface RopeAngles {
  /** Cosines, f32. */
  readonly cosine: Tensor;
  /** Sines, f32. */
  readonly sine: Tensor;
}

function table(config: LlamaConfig, of: (angle: number) => number): Tensor {
  const pairs = config.headWidth / 2;
  const values = new Float32Array(config.contextLength * pairs);
  for (let pair = 0; pair < pairs; pair++) {
    const rate = config.ropeBase ** (-2 * pair / config.headWidth);
    for (let position = 0; position < config.contextLength; position++) {
      values[position * pairs + pair] = of(position * rate);
    }
  }
  return constant(values, [config.contextLength, pairs]);
}

/**
 * The angles of rows at the given positions (i32 `[rows]`), shared by all layers.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { ropeAngles, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { cosine } = ropeAngles(tinyLlama({ width: 8, heads: 1 }), input([3], "i32"));
 * assertEquals(cosine.shape, [3, 1, 4]);
 * ```
 */
export function ropeAngles(config: LlamaConfig, positions: Tensor): RopeAngles {
  const look = (of: (angle: number) => number) =>
    reshape(gather(table(config, of), positions), [positions.shape[0], 1, config.headWidth / 2]);
  return { cosine: look(Math.cos), sine: look(Math.sin) };
}

/**
 * Turns every head of x, f32 `[rows, heads, headWidth]`.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { rope, ropeAngles, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const angles = ropeAngles(tinyLlama({ width: 2, heads: 1 }), constant(Int32Array.of(0)));
 * const x = constant(Float32Array.of(1, 2), [1, 1, 2]);
 * const turned = rope(x, angles, "half"); // position 0 turns by nothing
 * assertEquals(evaluateGraph([turned], new Map()), [Float32Array.of(1, 2)]);
 * ```
 */
export function rope(x: Tensor, { cosine, sine }: RopeAngles, pairing: RopePairing): Tensor {
  const [rows, heads, width] = x.shape;
  const half = width / 2;
  const split = pairing === "half" ? [rows, heads, 2, half] : [rows, heads, half, 2];
  const axis = pairing === "half" ? 2 : 3;
  const part = (i: number) =>
    reshape(sliceAxis(reshape(x, split), axis, i, 1), [rows, heads, half]);
  const [first, second] = [part(0), part(1)];
  const turned = [
    sub(mul(first, cosine), mul(second, sine)),
    add(mul(first, sine), mul(second, cosine)),
  ];
  const single = split.map((size, i) => i === axis ? 1 : size);
  return reshape(concat(turned.map((t) => reshape(t, single)), axis), x.shape);
}
