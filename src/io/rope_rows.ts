/**
 * The order of query and key rows under the two ways to pair elements for rotation.
 *
 * @module
 */

import type { LlamaConfig, RopePairing } from "../nn/llama_config.ts";

/** The row of a head, as `from` orders it, that stands at `row` as `to` orders them. */
function sourceRow(row: number, headWidth: number, from: RopePairing, to: RopePairing): number {
  if (from === to) return row;
  const half = headWidth / 2;
  return from === "half" ? (row >> 1) + (row & 1) * half : (row % half) * 2 + (row < half ? 0 : 1);
}

/**
 * Reorders the rows of a query or key matrix `[heads * headWidth, width]` from the pairing of its
 * configuration to another; the model computes the same with the other pairing.
 */
export function reorderRopeRows(
  values: Float32Array,
  { headWidth, width, ropePairing }: LlamaConfig,
  to: RopePairing,
): Float32Array {
  const reordered = new Float32Array(values.length);
  for (let row = 0; row < values.length / width; row++) {
    const head = row - (row % headWidth);
    const source = head + sourceRow(row % headWidth, headWidth, ropePairing, to);
    reordered.set(values.subarray(source * width, (source + 1) * width), row * width);
  }
  return reordered;
}
