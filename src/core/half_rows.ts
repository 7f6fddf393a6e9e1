/**
 * Rows of numbers as binary16, two in every i32: how keys and values are kept in half the memory.
 *
 * @module
 */
import { highHalf, lowHalf, packHalves } from "./elementwise_ops.ts";
import { OutriderError } from "./errors.ts";
import { BLOCK_WORDS, HALF_BLOCK } from "./half_layout.ts";
import { concat, reshape, sliceAxis } from "./movement_ops.ts";
import { shapeText } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

function lastAxis({ shape }: Tensor, multiple: number): number {
  const last = shape[shape.length - 1];
  if (last !== undefined && last % multiple === 0) return last;
  throw new OutriderError(`rows of a multiple of ${multiple}`, shapeText(shape), "pad the rows");
}

/**
 * Rows as binary16: f32 [..., 2n] to i32 [..., n], rounded as by `packHalves`. Word 4b + j holds the
 * elements 8b + j in its low half and 8b + 4 + j in its high half.
 *
 * @throws OutriderError where 2n is not a multiple of 8
 * @example
 * ```ts
 * import { constant, fromHalves, toHalves } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = constant(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 2049), [1, 8]);
 * const words = toHalves(rows);
 * assertEquals([words.type, words.shape], ["i32", [1, 4]]);
 * const [again] = evaluateGraph([fromHalves(words)], new Map());
 * assertEquals(again, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 2048));
 * ```
 */
export function toHalves(x: Tensor): Tensor {
  const elements = lastAxis(x, HALF_BLOCK);
  const outer = x.shape.slice(0, -1);
  const blocks = reshape(x, [...outer, elements / HALF_BLOCK, 2, BLOCK_WORDS]);
  const axis = outer.length + 1;
  const words = packHalves(sliceAxis(blocks, axis, 0, 1), sliceAxis(blocks, axis, 1, 1));
  return reshape(words, [...outer, elements / 2]);
}

/**
 * Rows out of binary16, the inverse of {@link toHalves}: i32 [..., n] to f32 [..., 2n], exact.
 *
 * @throws OutriderError where n is not a multiple of 4
 */
export function fromHalves(words: Tensor): Tensor {
  const count = lastAxis(words, BLOCK_WORDS);
  const outer = words.shape.slice(0, -1);
  const blocks = reshape(words, [...outer, count / BLOCK_WORDS, 1, BLOCK_WORDS]);
  const both = concat([lowHalf(blocks), highHalf(blocks)], outer.length + 1);
  return reshape(both, [...outer, 2 * count]);
}
