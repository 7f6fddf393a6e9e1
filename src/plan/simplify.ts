/**
 * Simplification: the same values with fewer nodes.
 *
 * One pass from the operands up: names (`identity` and the like, which only gradients know) go,
 * constants fold, neutral elements vanish, chains of movements join, and equal nodes become one.
 *
 * @module
 */
import type { ElementType } from "../core/dtype.ts";
import { full } from "../core/elementwise_ops.ts";
import { node } from "../core/infer.ts";
import { matmul } from "../core/linear_ops.ts";
import { permute, reshape } from "../core/movement_ops.ts";
import { sameShape, type Shape } from "../core/shape.ts";
import { type OpName, type Tensor, topologicalOrder } from "../core/tensor.ts";
import { isPacked } from "../core/dtype.ts";
import { type KeyOfOp, opKeys } from "./op_keys.ts";

/** The value of a node that is one constant everywhere. */
function fullValue(t: Tensor): number | undefined {
  return t.op.name === "full" ? t.op.attributes.value : undefined;
}

function fullLike(shape: Shape, value: number, type: ElementType): Tensor | undefined {
  return isPacked(type) ? undefined : full(shape, value, type);
}

/** f32 arithmetic on constants; only what gradients produce, the rest runs. */
function foldBinary(name: string, left: number, right: number): number | undefined {
  const [a, b] = [Math.fround(left), Math.fround(right)];
  switch (name) {
    case "add":
      return Math.fround(a + b);
    case "sub":
      return Math.fround(a - b);
    case "mul":
      return Math.fround(a * b);
    case "div":
      return Math.fround(a / b);
    default:
      return undefined;
  }
}

function foldConstant({ op, inputs, shape, type }: Tensor): Tensor | undefined {
  const values = inputs.map(fullValue);
  const [a, b] = values;
  if (a === undefined || inputs.length > 2) return undefined;
  switch (op.name) {
    case "reshape":
    case "permute":
    case "broadcast":
    case "slice":
      return fullLike(shape, a, type);
    case "neg":
      return type === "f32" ? fullLike(shape, -a, type) : undefined;
    default: {
      const folded = b === undefined || type !== "f32" ? undefined : foldBinary(op.name, a, b);
      return folded === undefined ? undefined : fullLike(shape, folded, type);
    }
  }
}

function dropNeutral({ op, inputs }: Tensor): Tensor | undefined {
  const [a, b] = inputs;
  if (b === undefined) return undefined;
  const [left, right] = [fullValue(a), fullValue(b)];
  switch (op.name) {
    case "add":
      return right === 0 ? a : left === 0 ? b : undefined;
    case "sub":
      return right === 0 ? a : undefined;
    case "mul":
      return right === 1 ? a : left === 1 ? b : undefined;
    case "div":
      return right === 1 ? a : undefined;
    default:
      return undefined;
  }
}

function joinMovement({ op, inputs: [operand], shape }: Tensor): Tensor | undefined {
  if (op.name === "reshape") {
    if (sameShape(operand.shape, shape)) return operand;
    if (operand.op.name === "reshape") return reshape(operand.inputs[0], shape);
  }
  if (op.name === "permute" && operand.op.name === "permute") {
    const inner = operand.op.attributes.order;
    return permute(operand.inputs[0], op.attributes.order.map((axis) => inner[axis]));
  }
  return undefined;
}

/** True where a permutation swaps the last two axes and leaves the others. */
function swapsLastTwo({ order }: { readonly order: readonly number[] }): boolean {
  const last = order.length - 1;
  return order.every((from, axis) => from === (axis < last - 1 ? axis : 2 * last - 1 - axis));
}

function behindViews(t: Tensor): Tensor {
  return t.op.name === "permute" || t.op.name === "reshape" ? behindViews(t.inputs[0]) : t;
}

/**
 * (a b)^T as b^T a^T, as gradients of weights are: the result lies in the order in which it is read.
 * Every element is the same sum in the same order. Packed matrices stay on the right.
 */
function swapProduct({ op, inputs: [product] }: Tensor): Tensor | undefined {
  if (op.name !== "permute" || product.op.name !== "matmul") return undefined;
  if (!swapsLastTwo(op.attributes)) return undefined;
  const [a, b] = product.inputs;
  if ([a, b].some((operand) => behindViews(operand).op.name === "dequantize")) return undefined;
  const swapped = (t: Tensor): Tensor => {
    const turned = permute(t, op.attributes.order);
    return joinMovement(turned) ?? turned;
  };
  return matmul(swapped(b), swapped(a));
}

/** Operations that are their first operand, and something else to gradients only. */
const NAMES: ReadonlySet<OpName> = new Set([
  "identity",
  "stopGradient",
  "rematerialize",
  "withGradients",
]);

/** True for what is there before anything is computed. */
function isSource({ inputs }: Tensor): boolean {
  return inputs.length === 0;
}

function dropOrder({ op, inputs: [x, ...earlier] }: Tensor): Tensor | undefined {
  return op.name === "after" && (fullValue(x) !== undefined || earlier.every(isSource))
    ? x
    : undefined;
}

function simplified(t: Tensor): Tensor {
  if (NAMES.has(t.op.name)) return t.inputs[0];
  return dropOrder(t) ?? foldConstant(t) ?? dropNeutral(t) ?? joinMovement(t) ?? t;
}

/** Nodes that more than one node or root uses. */
function sharedNodes(order: readonly Tensor[], roots: readonly Tensor[]): Set<Tensor> {
  const used = new Set<Tensor>();
  const shared = new Set<Tensor>();
  for (const operand of [...roots, ...order.flatMap(({ inputs }) => inputs)]) {
    (used.has(operand) ? shared : used).add(operand);
  }
  return shared;
}

/** The roots of an equal graph with fewer nodes. Inputs stay the nodes that they are. */
export function simplify(roots: readonly Tensor[], keyOf: KeyOfOp = opKeys()): Tensor[] {
  const made = new Map<Tensor, Tensor>();
  const known = new Map<string, Tensor>();
  const numbers = new Map<Tensor, number>();
  const unique = (t: Tensor): Tensor => {
    if (t.op.name === "input") {
      if (!numbers.has(t)) numbers.set(t, numbers.size);
      return t;
    }
    const operands = t.inputs.map((operand) => numbers.get(operand) ?? -1);
    if (operands.includes(-1)) return unique({ ...t, inputs: t.inputs.map(unique) });
    const key = `${keyOf(t.op)}|${operands}|${t.type}[${t.shape}]`;
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, t);
    numbers.set(t, numbers.size);
    return t;
  };
  const order = topologicalOrder(roots);
  const shared = sharedNodes(order, roots);
  for (const t of order) {
    const inputs = t.inputs.map((operand) => made.get(operand) ?? operand);
    const changed = inputs.some((operand, i) => operand !== t.inputs[i]);
    const simple = simplified(changed ? node(t.op, inputs) : t);
    const ownProduct = simple.op.name === "permute" && !shared.has(t.inputs[0]);
    made.set(t, unique((ownProduct ? swapProduct(simple) : undefined) ?? simple));
  }
  return roots.map((root) => made.get(root) ?? root);
}
