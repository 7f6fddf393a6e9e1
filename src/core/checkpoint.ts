/**
 * Rematerialisation: time for memory in the backward pass (Chen et al. 2016, arXiv 1604.06174).
 *
 * @module
 */
import { isTensor, renamed } from "./grad.ts";
import { node } from "./infer.ts";
import { identity } from "./movement_ops.ts";
import { type OpName, type Tensor, topologicalOrder } from "./tensor.ts";
import { leavesOf } from "./tree.ts";

const CONSTANTS: ReadonlySet<OpName> = new Set(["full", "iota", "data"]);
const VIEWS: ReadonlySet<OpName> = new Set(["permute", "reshape", "broadcast", "slice"]);

/** The node behind views, so that the gradient of a weight arrives at the weight itself. */
function behindViews(t: Tensor): Tensor {
  return VIEWS.has(t.op.name) ? behindViews(t.inputs[0]) : t;
}

/** What the nodes between some leaves and the result read besides: closed-over weights, say. */
function captured(result: Tensor, leaves: readonly Tensor[]): Tensor[] {
  const inside = new Set(leaves);
  const found = new Set<Tensor>();
  for (const t of topologicalOrder([result], new Set(leaves))) {
    if (!t.inputs.some((operand) => inside.has(operand))) continue;
    inside.add(t);
    for (const operand of t.inputs) if (!inside.has(operand)) found.add(behindViews(operand));
  }
  return [...found].filter(({ op }) => !CONSTANTS.has(op.name));
}

/**
 * The function with intermediate values that are not kept for the backward pass but computed again
 * in it, once the cotangent of the result is known. Only the arguments and what the function
 * captured stay.
 *
 * Value and gradients are those of the function itself, bit for bit; only where a tensor is used
 * both inside and outside are the parts of its gradient added in another order. Checkpoints nest. A
 * second derivative is right too, but keeps what it reads.
 *
 * @param f a function of trees of tensors; tensors that it captures have gradients as well
 *
 * @example
 * ```ts
 * import { checkpoint, constant, exp, grad, sum, type Tensor } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const twice = (x: Tensor) => exp(exp(x));
 * const slope = (f: (x: Tensor) => Tensor) =>
 *   evaluateGraph([grad((x: Tensor) => sum(f(x)))(constant(Float32Array.of(0.5)))], new Map());
 * assertEquals(slope(checkpoint(twice)), slope(twice));
 * ```
 */
export function checkpoint<Args extends readonly unknown[]>(
  f: (...args: Args) => Tensor,
): (...args: Args) => Tensor {
  return (...args) => {
    const fresh = leavesOf(args, isTensor).map(identity);
    const result = f(...renamed(args, fresh));
    const operands = [result, ...fresh, ...captured(result, fresh)];
    return node({ name: "rematerialize", attributes: { arguments: fresh.length } }, operands);
  };
}
