/**
 * Tensors: immutable descriptions of a value, and the closed set of operations they are made of.
 *
 * Nothing is computed here. A tensor is a node of a graph; `grad`, printing, planning and
 * evaluation are functions from that graph to something else, each with one table over
 * {@link OpName} that the compiler checks for completeness.
 *
 * @module
 */
import type { ElementType, HostArray } from "./dtype.ts";
import type { BinaryName, UnaryName } from "./elementwise.ts";
import type { Shape } from "./shape.ts";

/** An operation without attributes. */
export type NoAttributes = Readonly<Record<never, never>>;

/** Attributes of attention; the head counts are read from the shapes of the operands. */
export interface AttentionAttributes {
  /** Factor on the scores, usually headWidth^-0.5. */
  readonly scale: number;
}

/** The attributes of every operation; this interface *is* the op set. */
export interface Attributes extends ElementwiseAttributes {
  /** A value given when the graph runs. */
  readonly input: { readonly label: string };
  /** Every element has one value. */
  readonly full: { readonly value: number };
  /** A constant array. */
  readonly data: { readonly data: HostArray };
  /** The i32 coordinate along an axis. */
  readonly iota: { readonly axis: number };
  /** The value itself under another name: what `grad` differentiates with respect to. */
  readonly identity: NoAttributes;
  /** The value itself, with a gradient of zero. */
  readonly stopGradient: NoAttributes;
  /** The first operand, computed when the others have been. */
  readonly after: NoAttributes;
  /**
   * The first operand, which the backward pass computes again: of the operands behind it so many
   * are the arguments that it starts from, and the rest is what it captured.
   */
  readonly rematerialize: { readonly arguments: number };
  /** A scalar, the tensors that it depends on, and its gradients with respect to these. */
  readonly withGradients: NoAttributes;
  /** `where(condition, a, b)`. */
  readonly where: NoAttributes;
  /** Conversion among the computed types. */
  readonly cast: { readonly to: "f32" | "i32" | "bool" };
  /** The same elements in row-major order under another shape. */
  readonly reshape: { readonly shape: Shape };
  /** Axis `i` of the result is axis `order[i]` of the operand. */
  readonly permute: { readonly order: readonly number[] };
  /** Axes of size 1 repeated to the given shape of equal rank. */
  readonly broadcast: { readonly shape: Shape };
  /** The box that begins at `start` and has the given sizes. */
  readonly slice: { readonly start: readonly number[]; readonly sizes: Shape };
  /** Zeros before and after, per axis. */
  readonly pad: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** Operands one after another along an axis. */
  readonly concat: { readonly axis: number };
  /** Sum over axes, which stay with size 1. */
  readonly sum: { readonly axes: readonly number[] };
  /** Maximum over axes, which stay with size 1. */
  readonly reduceMax: { readonly axes: readonly number[] };
  /** i32 index of the first largest value along an axis, which stays with size 1. */
  readonly argmax: { readonly axis: number };
  /** [..., m, k] times [..., k, n]. */
  readonly matmul: NoAttributes;
  /** The f32 value of a packed weight matrix. */
  readonly dequantize: NoAttributes;
  /** Rows of a table by index; zeros where the index is outside. */
  readonly gather: NoAttributes;
  /** A table with rows replaced or added to: operands table, indices, updates. */
  readonly scatter: { readonly mode: "add" | "set" };
  /** Operands query, key, value, start, end and optionally extra. */
  readonly attention: AttentionAttributes;
  /** Operands of attention and then the cotangent of its result. */
  readonly attentionGrad: AttentionAttributes & {
    readonly operand: "query" | "key" | "value";
  };
}

/** The elementwise operations carry no attributes. */
export type ElementwiseAttributes = {
  readonly [name in UnaryName | BinaryName]: NoAttributes;
};

/** The name of an operation. */
export type OpName = keyof Attributes;

/** An operation: a name and its attributes. */
export type Op<K extends OpName = OpName> = {
  readonly [P in K]: { readonly name: P; readonly attributes: Attributes[P] };
}[K];

/**
 * One interpretation of the op set: a function for every operation. A missing row does not compile.
 */
export type OpTable<Args extends readonly unknown[], Result> = {
  readonly [P in OpName]: (attributes: Attributes[P], ...args: Args) => Result;
};

/** Applies a table's row for the given operation. */
export function interpret<K extends OpName, Args extends readonly unknown[], Result>(
  table: OpTable<Args, Result>,
  op: Op<K>,
  ...args: Args
): Result {
  return table[op.name](op.attributes, ...args);
}

/** An immutable description of a value. */
export interface Tensor {
  /** The operation that gives it. */
  readonly op: Op;
  /** The operands. */
  readonly inputs: readonly Tensor[];
  /** Sizes of its axes. */
  readonly shape: Shape;
  /** Element type. */
  readonly type: ElementType;
}

/**
 * Every node that the roots depend on, operands before users, each once.
 *
 * The order depends on the graph alone, so it serves printing, hashing and planning.
 *
 * @param ends nodes whose operands are not looked at
 * @example
 * ```ts
 * import { add, input, topologicalOrder } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = input([]);
 * const order = topologicalOrder([add(x, x)]);
 * assertEquals(order.map(({ op }) => op.name), ["input", "add"]);
 * ```
 */
export function topologicalOrder(
  roots: readonly Tensor[],
  ends: Pick<ReadonlySet<Tensor>, "has"> = new Set(),
): Tensor[] {
  const done = new Set<Tensor>();
  const order: Tensor[] = [];
  const stack: { node: Tensor; next: number }[] = [];
  for (const root of roots) {
    if (!done.has(root)) stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const operand = ends.has(top.node) ? undefined : top.node.inputs[top.next++];
      if (operand === undefined) {
        stack.pop();
        if (!done.has(top.node)) {
          done.add(top.node);
          order.push(top.node);
        }
      } else if (!done.has(operand)) stack.push({ node: operand, next: 0 });
    }
  }
  return order;
}
