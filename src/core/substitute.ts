/**
 * Graphs built again on other nodes.
 *
 * @module
 */
import { node } from "./infer.ts";
import { type Tensor, topologicalOrder } from "./tensor.ts";

/** The root's graph with nodes exchanged for others; what does not depend on them stays. */
export function substitute(root: Tensor, replacements: ReadonlyMap<Tensor, Tensor>): Tensor {
  const made = new Map(replacements);
  for (const t of topologicalOrder([root], replacements)) {
    if (made.has(t)) continue;
    const inputs = t.inputs.map((operand) => made.get(operand) ?? operand);
    const changed = inputs.some((operand, i) => operand !== t.inputs[i]);
    made.set(t, changed ? node(t.op, inputs) : t);
  }
  return made.get(root) ?? root;
}
