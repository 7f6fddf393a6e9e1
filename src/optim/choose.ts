/**
 * A choice, made while the graph runs, between two trees.
 *
 * @module
 */
import { where } from "../core/elementwise_ops.ts";
import { isTensor } from "../core/grad.ts";
import type { Tensor } from "../core/tensor.ts";
import { leavesOf } from "../core/tree.ts";
import { replaceLeaves } from "./transformation.ts";

/** The first tree where the bool scalar is true, else the second; their structures are equal. */
export function chooseTree<T>(condition: Tensor, first: T, second: T): T {
  const others = leavesOf(second, isTensor);
  const chosen = leavesOf(first, isTensor).map((leaf, i) => where(condition, leaf, others[i]));
  return replaceLeaves(first, chosen);
}

/** The tree where the bool scalar is true, else zeros. */
export function chooseOrZero<T>(condition: Tensor, tree: T): T {
  return replaceLeaves(tree, leavesOf(tree, isTensor).map((leaf) => where(condition, leaf, 0)));
}
