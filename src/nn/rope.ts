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

/** The sizes that decide a rotation. */
export type RopeSizes = Pick<LlamaConfig, "headWidth" | "contextLength" | "ropeBase">;

/** Positions whose angle is a coarse one and a fine one, whose cosines and sines are made once. */
const FINE_POSITIONS = 64;

/**
 * Cosines and sines of all positions, `[contextLength, headWidth / 2]` each, by
 * cos(a + b) = cos a cos b - sin a sin b and its like: a table by the mathematical functions alone
 * would be a tenth of a second of a start.
 */
function angleTables({ headWidth, contextLength, ropeBase }: RopeSizes): RopeAngles {
  const pairs = headWidth / 2;
  const [cosine, sine] = [0, 1].map(() => new Float32Array(contextLength * pairs));
  for (let pair = 0; pair < pairs; pair++) {
    const rate = ropeBase ** (-2 * pair / headWidth);
    const fine = Array.from({ length: FINE_POSITIONS }, (_, position) => position * rate);
    const [cosines, sines] = [fine.map(Math.cos), fine.map(Math.sin)];
    for (let first = 0; first < contextLength; first += FINE_POSITIONS) {
      const [c, s] = [Math.cos(first * rate), Math.sin(first * rate)];
      const count = Math.min(FINE_POSITIONS, contextLength - first);
      for (let i = 0; i < count; i++) {
        const place = (first + i) * pairs + pair;
        cosine[place] = c * cosines[i] - s * sines[i];
        sine[place] = s * cosines[i] + c * sines[i];
      }
    }
  }
  const shape = [contextLength, pairs];
  return { cosine: constant(cosine, shape), sine: constant(sine, shape) };
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
export function ropeAngles(config: RopeSizes, positions: Tensor): RopeAngles {
  const { cosine, sine } = angleTables(config);
  const look = (table: Tensor) =>
    reshape(gather(table, positions), [positions.shape[0], 1, config.headWidth / 2]);
  return { cosine: look(cosine), sine: look(sine) };
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
