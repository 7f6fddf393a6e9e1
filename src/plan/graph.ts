/**
 * Traced functions as graphs, and what tells them apart.
 *
 * @module
 */
import { type Tensor, topologicalOrder } from "../core/tensor.ts";
import { type KeyOfOp, opKeys } from "./op_keys.ts";
import { simplify } from "./simplify.ts";
import { hashText } from "./stable_json.ts";

/** A traced function: its input nodes in calling order and its results. */
export interface Graph {
  /** Input nodes in calling order. */
  readonly inputs: readonly Tensor[];
  /** Results. */
  readonly outputs: readonly Tensor[];
}

/**
 * Structural hash of a graph: labels of inputs do not count, the content of constants does.
 *
 * @example
 * ```ts
 * import { add, input } from "@outrider/outrider/core";
 * import { graphHash } from "@outrider/outrider/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const hash = (label: string) => {
 *   const x = input([2], "f32", label);
 *   return graphHash({ inputs: [x], outputs: [add(x, 1)] }, []);
 * };
 * assertEquals(hash("x"), hash("y"));
 * ```
 */
export function graphHash(
  graph: Graph,
  donated: readonly number[],
  keyOf: KeyOfOp = opKeys(),
): string {
  const order = topologicalOrder([...graph.inputs, ...graph.outputs]);
  const numbers = new Map(order.map((t, i) => [t, i]));
  const places = (list: readonly Tensor[]) => list.map((t) => numbers.get(t)).join();
  const lines = order.map((t) => {
    const op = t.op.name === "input" ? "input" : keyOf(t.op);
    return `${op}(${places(t.inputs)}):${t.type}[${t.shape}]`;
  });
  lines.push(`in ${places(graph.inputs)} out ${places(graph.outputs)} donated ${donated}`);
  return hashText(lines.join("\n"));
}

/** A graph that needs no further simplification, with what a plan is known by. */
export interface SimplifiedGraph extends Graph {
  /** Indices of inputs whose memory outputs may take over. */
  readonly donated: readonly number[];
  /** Its {@link graphHash}. */
  readonly hash: string;
}

/** Simplifies a graph and hashes it; every constant is hashed once for both. */
export function simplifiedGraph(
  { inputs, outputs }: Graph,
  donated: readonly number[] = [],
): SimplifiedGraph {
  const keyOf = opKeys();
  const simple = { inputs, outputs: simplify(outputs, keyOf) };
  return { ...simple, donated, hash: graphHash(simple, donated, keyOf) };
}
