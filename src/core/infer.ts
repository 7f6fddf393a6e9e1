/**
 * The shape and type rule of every operation, and the one function that makes a node.
 *
 * @module
 */
import { type DType, type ElementType, isPacked } from "./dtype.ts";
import {
  BINARY,
  type BinaryName,
  type ElementwiseRule,
  UNARY,
  type UnaryName,
} from "./elementwise.ts";
import { OutriderError } from "./errors.ts";
import {
  attentionShape,
  computed,
  fail,
  type Inferred,
  withGradientsShape,
} from "./infer_rules.ts";
import { sameShape, type Shape, shapeText, sizeOf } from "./shape.ts";
import { interpret, type Op, type OpTable, type Tensor } from "./tensor.ts";

type Rule = (inputs: readonly Tensor[]) => Inferred;

function elementwise(name: string, rule: ElementwiseRule, count: number): Rule {
  return (inputs) => {
    const [first] = inputs;
    const type = computed(name, first);
    const fits = inputs.length === count && rule.takes.includes(type) &&
      inputs.every((t) => t.type === type && sameShape(t.shape, first.shape));
    if (!fits) fail(name, `${count} operand(s) of one shape and type in {${rule.takes}}`, inputs);
    return { shape: first.shape, type: rule.gives === "same" ? type : rule.gives };
  };
}

const unary = (name: UnaryName) => (_: unknown, inputs: readonly Tensor[]): Inferred =>
  elementwise(name, UNARY[name], 1)(inputs);

const binary = (name: BinaryName) => (_: unknown, inputs: readonly Tensor[]): Inferred =>
  elementwise(name, BINARY[name], 2)(inputs);

function reduced(
  name: string,
  axes: readonly number[],
  inputs: readonly Tensor[],
  type: DType,
): Inferred {
  const { shape } = inputs[0];
  const valid = axes.every((axis, i) =>
    axis >= 0 && axis < shape.length && axes.indexOf(axis) === i
  );
  if (!valid) fail(name, `axes [${axes}] once each`, inputs);
  return { shape: shape.map((size, axis) => axes.includes(axis) ? 1 : size), type };
}

const INFER: OpTable<[inputs: readonly Tensor[], declared: Inferred | undefined], Inferred> = {
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
  input: (_, __, declared) => declare("input", declared),
  full: ({ value }, inputs, declared) => {
    const made = declare("full", declared);
    if (isPacked(made.type) || !holds(made.type, value)) {
      fail("full", `a value that ${made.type} holds instead of ${value}`, inputs);
    }
    return made;
  },
  data: ({ data }, inputs, declared) => {
    const made = declare("data", declared);
    if (sizeOf(made.shape) !== data.length) fail("data", `${data.length} elements`, inputs);
    return made;
  },
  iota: ({ axis }, inputs, declared) => {
    const made = declare("iota", declared);
    if (made.shape[axis] === undefined) fail("iota", `an axis of ${shapeText(made.shape)}`, inputs);
    return made;
  },
  identity: (_, [x]) => ({ shape: x.shape, type: x.type }),
  stopGradient: (_, [x]) => ({ shape: x.shape, type: x.type }),
  after: (_, inputs) => {
    const [type] = inputs.map((t) => computed("after", t));
    return { shape: inputs[0].shape, type };
  },
  rematerialize: (_, [result]) => ({ shape: result.shape, type: result.type }),
  withGradients: (_, inputs) => withGradientsShape(inputs),
  where: (_, inputs) => {
    const [condition, a, b] = inputs;
    const fits = condition.type === "bool" && a.type === b.type &&
      sameShape(condition.shape, a.shape) && sameShape(a.shape, b.shape);
    if (!fits) fail("where", "a bool condition and two operands of one shape and type", inputs);
    return { shape: a.shape, type: computed("where", a) };
  },
  cast: ({ to }, [x]) => {
    computed("cast", x);
    return { shape: x.shape, type: to };
  },
  reshape: ({ shape }, inputs) => {
    const type = computed("reshape", inputs[0]);
    if (sizeOf(shape) !== sizeOf(inputs[0].shape)) {
      fail("reshape", `as many elements as ${shapeText(shape)}`, inputs);
    }
    return { shape, type };
  },
  permute: ({ order }, inputs) => {
    const { shape } = inputs[0];
    const valid = order.length === shape.length && shape.every((_, axis) => order.includes(axis));
    if (!valid) fail("permute", `the axes [${order}] in another order`, inputs);
    return { shape: order.map((axis) => shape[axis]), type: computed("permute", inputs[0]) };
  },
  broadcast: ({ shape }, inputs) => {
    const from = inputs[0].shape;
    const fits = shape.length === from.length &&
      shape.every((size, axis) => from[axis] === size || from[axis] === 1);
    if (!fits) fail("broadcast", `sizes equal to ${shapeText(shape)}, or 1`, inputs);
    return { shape, type: computed("broadcast", inputs[0]) };
  },
  slice: ({ start, sizes }, inputs) => {
    const { shape } = inputs[0];
    const fits = start.length === shape.length && sizes.length === shape.length &&
      shape.every((size, axis) =>
        Number.isInteger(start[axis]) && start[axis] >= 0 && sizes[axis] >= 0 &&
        start[axis] + sizes[axis] <= size
      );
    if (!fits) fail("slice", `the box [${start}] + ${shapeText(sizes)} inside`, inputs);
    return { shape: sizes, type: computed("slice", inputs[0]) };
  },
  pad: ({ before, after }, inputs) => {
    const { shape } = inputs[0];
    const fits = before.length === shape.length && after.length === shape.length &&
      [...before, ...after].every((size) => Number.isInteger(size) && size >= 0);
    if (!fits) fail("pad", "one size of 0 or more per axis and side", inputs);
    return {
      shape: shape.map((size, axis) => before[axis] + size + after[axis]),
      type: computed("pad", inputs[0]),
    };
  },
  concat: ({ axis }, inputs) => {
    const [first] = inputs;
    const fits = first !== undefined && first.shape[axis] !== undefined &&
      inputs.every((t) =>
        t.type === first.type && t.shape.length === first.shape.length &&
        t.shape.every((size, i) => i === axis || size === first.shape[i])
      );
    if (!fits) fail("concat", `operands that differ along axis ${axis} only`, inputs);
    const total = inputs.reduce((sum, t) => sum + t.shape[axis], 0);
    return {
      shape: first.shape.map((size, i) => i === axis ? total : size),
      type: computed("concat", first),
    };
  },
  sum: ({ axes }, inputs) => {
    const type = computed("sum", inputs[0]);
    if (type === "bool") fail("sum", "f32 or i32", inputs);
    return reduced("sum", axes, inputs, type);
  },
  reduceMax: ({ axes }, inputs) => {
    if (inputs[0].type !== "f32") fail("reduceMax", "f32", inputs);
    return reduced("reduceMax", axes, inputs, "f32");
  },
  argmax: ({ axis }, inputs) => {
    if (inputs[0].type !== "f32") fail("argmax", "f32", inputs);
    return reduced("argmax", [axis], inputs, "i32");
  },
  matmul: (_, inputs) => {
    const [a, b] = inputs;
    const rank = a.shape.length;
    const fits = a.type === "f32" && b.type === "f32" && rank >= 2 && b.shape.length === rank &&
      a.shape[rank - 1] === b.shape[rank - 2] &&
      a.shape.slice(0, -2).every((size, axis) => size === b.shape[axis]);
    if (!fits) fail("matmul", "f32 [..., m, k] and f32 [..., k, n]", inputs);
    return { shape: [...a.shape.slice(0, -1), b.shape[rank - 1]], type: "f32" };
  },
  dequantize: (_, inputs) => {
    if (!isPacked(inputs[0].type) || inputs[0].shape.length !== 2) {
      fail("dequantize", "a packed [rows, columns] matrix", inputs);
    }
    return { shape: inputs[0].shape, type: "f32" };
  },
  gather: (_, inputs) => {
    const [table, indices] = inputs;
    const type = computed("gather", table);
    const fits = table.shape.length === 2 && indices.type === "i32" && indices.shape.length === 1;
    if (!fits) fail("gather", "a table [n, width] and i32 indices [rows]", inputs);
    return { shape: [indices.shape[0], table.shape[1]], type };
  },
  scatter: ({ mode }, inputs) => {
    const [table, indices, updates] = inputs;
    const type = computed("scatter", table);
    const fits = table.shape.length === 2 && indices.type === "i32" && indices.shape.length === 1 &&
      updates.type === type && sameShape(updates.shape, [indices.shape[0], table.shape[1]]) &&
      !(mode === "add" && type === "bool");
    if (!fits) {
      fail("scatter", "a table [n, width], i32 indices [rows] and updates [rows, width]", inputs);
    }
    return { shape: table.shape, type };
  },
  attention: (_, inputs) => attentionShape(inputs),
  attentionGrad: ({ operand }, inputs) => {
    const made = attentionShape(inputs.slice(0, -1));
    if (inputs[1].type !== "f32") {
      fail("attentionGrad", "f32 keys and values (gradients do not pass through halves)", inputs);
    }
    const cotangent = inputs[inputs.length - 1];
    if (cotangent.type !== "f32" || !sameShape(cotangent.shape, made.shape)) {
      fail("attentionGrad", "attention's operands and a cotangent like its result", inputs);
    }
    const index = operand === "query" ? 0 : operand === "key" ? 1 : 2;
    return { shape: inputs[index].shape, type: "f32" };
  },
};

function declare(name: string, declared: Inferred | undefined): Inferred {
  if (declared === undefined) fail(name, "a declared shape and type", []);
  return declared;
}

/** True where the type can hold the value. */
function holds(type: ElementType, value: number): boolean {
  return type === "f32" || (type === "i32" ? (value | 0) : Number(value !== 0)) === value;
}

function checkSizes({ shape, type }: Inferred): Inferred {
  if (shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return { shape, type };
  throw new OutriderError(
    "sizes that are whole numbers from 0",
    shapeText(shape),
    "check the shape",
  );
}

/** Makes a node of a source operation, whose shape and type are declared. */
export function source(op: Op, shape: Shape, type: ElementType): Tensor {
  const declared = checkSizes({ shape, type });
  return Object.freeze({ op, inputs: [], ...interpret(INFER, op, [], declared) });
}

/**
 * Makes a node: checks the operands by the operation's rule and freezes the description.
 *
 * @throws OutriderError where the operands do not fit the operation
 * @example
 * ```ts
 * import { input, node } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const sum = node({ name: "add", attributes: {} }, [input([2]), input([2])]);
 * assertEquals(sum.shape, [2]);
 * ```
 */
export function node(op: Op, inputs: readonly Tensor[]): Tensor {
  return Object.freeze({ op, inputs, ...checkSizes(interpret(INFER, op, inputs, undefined)) });
}
