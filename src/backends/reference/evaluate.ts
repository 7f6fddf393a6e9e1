/**
 * The value of every operation, in plain loops: this is the specification that backends are held
 * to. Floats are rounded to f32 at each elementwise result; sums are gathered in doubles.
 *
 * @module
 */
import { type HostArray, isPacked } from "../../core/dtype.ts";
import type { BinaryName, UnaryName } from "../../core/elementwise.ts";
import { OutriderError } from "../../core/errors.ts";
import { unpackMatrix } from "../../core/unpack.ts";
import { shapeText, sizeOf } from "../../core/shape.ts";
import { interpret, type OpTable, type Tensor, topologicalOrder } from "../../core/tensor.ts";
import { evaluateAttention, evaluateAttentionGrad } from "./evaluate_attention.ts";
import {
  evaluateBinary,
  evaluateCast,
  evaluateUnary,
  evaluateWhere,
} from "./evaluate_elementwise.ts";
import {
  evaluateBroadcast,
  evaluateConcat,
  evaluateIota,
  evaluatePad,
  evaluatePermute,
  evaluateSlice,
} from "./evaluate_movement.ts";
import { evaluateArgmax, evaluateMatmul, evaluateMax, evaluateSum } from "./evaluate_reduction.ts";
import { evaluateGather, evaluateScatter, type TableSizes } from "./evaluate_table.ts";
import { allocate, type NumberArray, type Precision, SINGLE, type Value } from "./value.ts";

/** Values of a graph's inputs: numbers, or bytes where the input is packed. */
export type Bindings = ReadonlyMap<Tensor, Value>;

/** What a row of the table may look at: the node, its operands' values, and where it stores. */
interface Scene {
  readonly node: Tensor;
  readonly values: readonly Value[];
  readonly bindings: Bindings;
  readonly precision: Precision;
}

type Row = (attributes: unknown, scene: Scene) => Value;

function result({ node, precision }: Scene): NumberArray {
  return allocate(node.type, sizeOf(node.shape), precision);
}

const first = (_: unknown, { values }: Scene): Value => values[0];

const unary = (name: UnaryName): Row => (_, scene) =>
  evaluateUnary(name, scene.values[0], result(scene));

const binary = (name: BinaryName): Row => (_, scene) =>
  evaluateBinary(name, scene.values[0], scene.values[1], result(scene));

function tableSizes({ node }: Scene): TableSizes {
  const [tableRows, width] = node.inputs[0].shape;
  return { tableRows, width };
}

/** The value bound to an input, checked against its declaration. */
function bound({ node, bindings, precision }: Scene): Value {
  const value = bindings.get(node);
  const bytes = value instanceof Uint8Array;
  const fits = value !== undefined && bytes === isPacked(node.type) &&
    (bytes || value.length === sizeOf(node.shape));
  if (!fits) {
    throw new OutriderError(
      `a ${node.type}${shapeText(node.shape)} value for an input of the graph`,
      value === undefined ? "none" : `${value.length} elements of another kind`,
      "bind every input of the graph",
    );
  }
  return bytes || node.type !== "f32" ? value : precision.adopt(value);
}

function unpacked({ node, values, precision }: Scene): Value {
  const [packed] = values;
  const [{ type, shape: [rows, columns] }] = node.inputs;
  if (!(packed instanceof Uint8Array) || !isPacked(type)) {
    throw new OutriderError("a packed matrix", type, "dequantize packed matrices only");
  }
  return precision.adopt(unpackMatrix(type, rows, columns, packed));
}

/** The value of every operation. */
const EVALUATE: OpTable<[scene: Scene], Value> = {
  input: (_, scene) => bound(scene),
  full: ({ value }, scene) => result(scene).fill(value),
  data: ({ data }, { precision }) => data instanceof Float32Array ? precision.adopt(data) : data,
  iota: ({ axis }, scene) => evaluateIota(scene.node.shape, axis, result(scene)),
  identity: first,
  stopGradient: first,
  after: first,
  rematerialize: first,
  withGradients: first,
  reshape: first,
  neg: unary("neg"),
  abs: unary("abs"),
  exp: unary("exp"),
  log: unary("log"),
  sqrt: unary("sqrt"),
  sin: unary("sin"),
  cos: unary("cos"),
  tanh: unary("tanh"),
  floor: unary("floor"),
  lowHalf: unary("lowHalf"),
  highHalf: unary("highHalf"),
  not: unary("not"),
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  max: binary("max"),
  min: binary("min"),
  less: binary("less"),
  equal: binary("equal"),
  packHalves: binary("packHalves"),
  and: binary("and"),
  or: binary("or"),
  where: (_, scene) => evaluateWhere(scene.values, result(scene)),
  cast: ({ to }, scene) => evaluateCast(to, scene.values[0], result(scene)),
  permute: ({ order }, scene) =>
    evaluatePermute(scene.values[0], scene.node.inputs[0].shape, order, result(scene)),
  broadcast: ({ shape }, scene) =>
    evaluateBroadcast(scene.values[0], scene.node.inputs[0].shape, shape, result(scene)),
  slice: ({ start, sizes }, scene) =>
    evaluateSlice(scene.values[0], scene.node.inputs[0].shape, start, sizes, result(scene)),
  pad: ({ before }, scene) => {
    const [x] = scene.node.inputs;
    return evaluatePad(scene.values[0], x.shape, before, scene.node.shape, result(scene));
  },
  concat: ({ axis }, scene) => {
    const parts = scene.node.inputs.map(({ shape }, i) => ({ value: scene.values[i], shape }));
    return evaluateConcat(parts, axis, scene.node.shape, result(scene));
  },
  sum: ({ axes }, scene) =>
    evaluateSum(scene.values[0], scene.node.inputs[0].shape, axes, result(scene)),
  reduceMax: ({ axes }, scene) =>
    evaluateMax(scene.values[0], scene.node.inputs[0].shape, axes, result(scene)),
  argmax: ({ axis }, scene) =>
    evaluateArgmax(scene.values[0], scene.node.inputs[0].shape, axis, result(scene)),
  matmul: (_, scene) => {
    const [{ shape: a }, { shape: b }] = scene.node.inputs;
    return evaluateMatmul(scene.values[0], a, scene.values[1], b, result(scene));
  },
  dequantize: (_, scene) => unpacked(scene),
  gather: (_, scene) =>
    evaluateGather(scene.values[0], scene.values[1], tableSizes(scene), result(scene)),
  scatter: ({ mode }, scene) =>
    evaluateScatter(mode, scene.values, tableSizes(scene), result(scene)),
  attention: (attributes, scene) =>
    evaluateAttention(attributes, scene.node.inputs, scene.values, result(scene)),
  attentionGrad: (attributes, scene) =>
    evaluateAttentionGrad(attributes, scene.node.inputs, scene.values, result(scene)),
};

/** How often each node's value is still needed. */
function countUses(order: readonly Tensor[], outputs: readonly Tensor[]): Map<Tensor, number> {
  const uses = new Map<Tensor, number>();
  const add = (t: Tensor) => uses.set(t, (uses.get(t) ?? 0) + 1);
  for (const node of order) node.inputs.forEach(add);
  outputs.forEach(add);
  return uses;
}

/**
 * The values of a graph's outputs in the given precision. The arrays are the caller's own.
 *
 * @throws OutriderError where an input has no value, or one of another length
 * @example
 * ```ts
 * import { DOUBLE, evaluateIn } from "@outrider/outrider/backends/reference";
 * import { div, input } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = input([1], "f32", "x");
 * assertEquals(evaluateIn(DOUBLE, [div(x, 3)], new Map([[x, Float64Array.of(1)]])), [
 *   Float64Array.of(1 / 3),
 * ]);
 * ```
 */
export function evaluateIn(
  precision: Precision,
  outputs: readonly Tensor[],
  bindings: Bindings,
): NumberArray[] {
  const order = topologicalOrder(outputs);
  const uses = countUses(order, outputs);
  const found = new Map<Tensor, Value>();
  for (const node of order) {
    const values = node.inputs.map((operand) => valueOf(found, operand));
    found.set(node, interpret(EVALUATE, node.op, { node, values, bindings, precision }));
    for (const operand of node.inputs) {
      const left = (uses.get(operand) ?? 0) - 1;
      uses.set(operand, left);
      if (left === 0) found.delete(operand);
    }
  }
  return outputs.map((output) => numbersOf(valueOf(found, output)));
}

function valueOf(found: ReadonlyMap<Tensor, Value>, tensor: Tensor): Value {
  const value = found.get(tensor);
  if (value === undefined) throw new Error("operands come before their users");
  return value;
}

function numbersOf(value: Value): NumberArray {
  if (value instanceof Uint8Array) {
    throw new OutriderError("outputs of a computed type", "a packed matrix", "dequantize it");
  }
  return value.slice();
}

/**
 * The values of a graph's outputs in f32: what every backend must give, up to the rounding of sums
 * and of transcendental functions. bool is 0 or 1 in an Int32Array.
 *
 * @throws OutriderError where an input has no value, or one of another length
 * @example
 * ```ts
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { input, sum } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = input([2, 2], "f32", "x");
 * const values = evaluateGraph([sum(x, [0])], new Map([[x, Float32Array.of(1, 2, 3, 4)]]));
 * assertEquals(values, [Float32Array.of(4, 6)]);
 * ```
 */
export function evaluateGraph(outputs: readonly Tensor[], bindings: Bindings): HostArray[] {
  return evaluateIn(SINGLE, outputs, bindings).map((value) =>
    value instanceof Float64Array ? Float32Array.from(value) : value
  );
}
