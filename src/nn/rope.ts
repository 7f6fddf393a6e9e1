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

/** The angles of rows at the given positions (i32 `[rows]`), shared by all layers. */
export function ropeAngles(config: LlamaConfig, positions: Tensor): RopeAngles {
  const look = (of: (angle: number) => number) =>
    reshape(gather(table(config, of), positions), [positions.shape[0], 1, config.headWidth / 2]);
  return { cosine: look(Math.cos), sine: look(Math.sin) };
}

/** Turns every head of x, f32 `[rows, heads, headWidth]`. */
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
