/**
 * Donation: which output takes over the memory of which donated input.
 *
 * @module
 */
import { isPacked } from "../core/dtype.ts";
import { BINARY, UNARY } from "../core/elementwise.ts";
import { OutriderError } from "../core/errors.ts";
import { sameShape, shapeText, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";

/** The table that a chain of scatters (through reshapes) starts from. */
function scatterBase(t: Tensor): Tensor {
  let current = t;
  while (current.op.name === "scatter" || current.op.name === "reshape") {
    current = current.inputs[0];
  }
  return current;
}

function isElementwise(t: Tensor): boolean {
  return t.op.name in UNARY || t.op.name in BINARY || t.op.name === "where";
}

/** True where `t` is computed element by element from `from`, both of one shape. */
function updates(t: Tensor, from: Tensor): boolean {
  const seen = new Set<Tensor>();
  const stack = [t];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (next === from) return true;
    if (seen.has(next) || !isElementwise(next)) continue;
    seen.add(next);
    stack.push(...next.inputs.filter((operand) => sameShape(operand.shape, t.shape)));
  }
  return false;
}

const alike = (a: Tensor, b: Tensor): boolean =>
  a.type === b.type && sizeOf(a.shape) === sizeOf(b.shape);

/** Ways in which an output can follow from an input, the best first. */
const RELATIONS: readonly ((output: Tensor, input: Tensor) => boolean)[] = [
  (output, input) => alike(output, input) && scatterBase(output) === input,
  (output, input) => sameShape(output.shape, input.shape) && updates(output, input),
  alike,
];

/** Packed matrices only pass through, in their own memory. */
function refusePackedResults(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  taken: readonly number[],
): void {
  const packed = outputs.find((output, k) => isPacked(output.type) && inputs[taken[k]] !== output);
  if (packed === undefined) return;
  throw new OutriderError(
    "results of a computed type, or donated packed inputs",
    `${packed.type}${shapeText(packed.shape)}`,
    "leave the packed matrix out of the result, or donate it",
  );
}

/**
 * For each output the index of the donated input that it replaces, or -1.
 *
 * @throws OutriderError where a donated input has no output of its size and type, or where an
 * output is packed and not a donated input itself
 */
export function matchDonations(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  donated: readonly number[],
): number[] {
  const taken = outputs.map(() => -1);
  const open = new Set(donated);
  for (const relation of RELATIONS) {
    for (const index of [...open]) {
      const found = outputs.findIndex((output, k) =>
        taken[k] === -1 && relation(output, inputs[index])
      );
      if (found === -1) continue;
      taken[found] = index;
      open.delete(index);
    }
  }
  for (const index of open) {
    const { type, shape } = inputs[index];
    throw new OutriderError(
      `an output to take over donated input ${index}, ${type}${shapeText(shape)}`,
      isPacked(type) ? "a packed weight" : "none of that type and size",
      "return the new value of what is donated, or do not donate it",
    );
  }
  refusePackedResults(inputs, outputs, taken);
  return taken;
}
