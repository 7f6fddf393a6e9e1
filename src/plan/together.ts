/**
 * The order in which nodes are lowered: products of the same rows one after the other.
 *
 * Their results then live at the same time, so nothing makes the second wait for the first, and a
 * backend can run them side by side.
 *
 * @module
 */
import type { Tensor } from "../core/tensor.ts";

const REARRANGING = new Set(["dequantize", "permute", "reshape"]);

/** Inputs of the graph and what is only another view of them. */
function storedValues(order: readonly Tensor[]): Set<Tensor> {
  const stored = new Set<Tensor>();
  for (const t of order) {
    const isView = REARRANGING.has(t.op.name) && stored.has(t.inputs[0]);
    if (t.op.name === "input" || isView) stored.add(t);
  }
  return stored;
}

/** Products with stored matrices, by the rows that they read. */
function productsByRows(order: readonly Tensor[]): Map<Tensor, Tensor[]> {
  const stored = storedValues(order);
  const products = new Map<Tensor, Tensor[]>();
  for (const t of order) {
    if (t.op.name !== "matmul" || !stored.has(t.inputs[1])) continue;
    const [rows] = t.inputs;
    products.set(rows, [...products.get(rows) ?? [], t]);
  }
  return products;
}

/**
 * A topological order in which all products of some rows with stored matrices follow the first one.
 *
 * @param order nodes, operands before users
 */
export function productsTogether(order: readonly Tensor[]): Tensor[] {
  const products = productsByRows(order);
  const placed = new Set<Tensor>();
  const place = (t: Tensor): void => {
    if (placed.has(t)) return;
    t.inputs.forEach(place);
    placed.add(t);
    if (t.op.name === "matmul") products.get(t.inputs[0])?.forEach(place);
  };
  order.forEach(place);
  return [...placed];
}
