/**
 * Cases of the elementwise operations: every type, awkward sizes, and every pair of views.
 */
import * as core from "../../src/core/mod.ts";
import type { BinaryName, DType, Shape, Tensor, UnaryName } from "../../src/core/mod.ts";
import {
  type Case,
  type Draw,
  drawn,
  EXACT,
  normal,
  type OpCases,
  PLAIN,
  positive,
  SIZES,
  type Tolerance,
  truth,
  typed,
  type View,
  viewed,
  VIEWS,
  whole,
  wrapping,
} from "./case.ts";

const MATRICES: readonly Shape[] = [[5, 17], [3, 130], [65, 4]];

/** Numbers at the edges of f32. */
const EDGES = Float32Array.of(
  ...[0, -0, 1, -1, 0.5, 1e-30, -1e-30, 3e38, -3e38, Infinity, -Infinity, NaN, 87, -87, 2 ** 24],
  ...[1.5, 2.5, -1.5, -0.5, 2 ** 31, -(2 ** 31), 1e10, 0.99999994, -3.7, 65519, 65520, 6e-8],
);
/** Whole numbers at the edges of i32. */
const WHOLE_EDGES = Int32Array.of(0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 65536, -65537, 46341);

/** The numbers that an operand of a type is uploaded as. */
function drawFor(type: DType, floats: Draw): Draw {
  return type === "f32" ? floats : type === "i32" ? whole : truth;
}

function unaryCases(
  apply: (x: Tensor) => Tensor,
  types: readonly DType[],
  floats: Draw = normal,
): Case[] {
  return types.flatMap((type) => {
    const draw = drawFor(type, floats);
    const make = (view: View, shape: Shape): Case => {
      const { input, operand } = viewed(view, shape, draw, shape.length + shape[0]);
      const label = `${type}[${shape}] ${view.label}`;
      return { label, inputs: [input], f: (x) => apply(typed(operand(x), type)) };
    };
    return [
      ...SIZES.map((size) => make(PLAIN, [size])),
      ...VIEWS.flatMap((view) => MATRICES.map((shape) => make(view, shape))),
    ];
  });
}

/** Integers that are used as floats and the reverse would hide a wrong type, so each is its own. */
function edgeCases(apply: (x: Tensor) => Tensor, types: readonly DType[]): Case[] {
  return types.filter((type) => type !== "bool").map((type) => ({
    label: `${type} at the edges`,
    inputs: [core.hostTensor(type === "f32" ? EDGES : WHOLE_EDGES)],
    f: apply,
    noGradient: "there is none at infinity",
  }));
}

function unary(
  name: UnaryName,
  tolerance: Tolerance,
  floats: Draw = normal,
): OpCases {
  const apply = (x: Tensor) => core.node({ name, attributes: {} }, [x]);
  const types = core.UNARY[name].takes;
  const cases = [...unaryCases(apply, types, floats), ...edgeCases(apply, types)];
  return { tolerance, cases };
}

function pairCase(
  apply: (a: Tensor, b: Tensor) => Tensor,
  type: DType,
  shape: Shape,
  [left, right]: readonly [View, View],
  draw: Draw,
): Case {
  const a = viewed(left, shape, draw, 1);
  const b = viewed(right, shape, draw, 2);
  return {
    label: `${type}[${shape}] ${left.label}, ${right.label}`,
    inputs: [a.input, b.input],
    f: (x, y) => apply(typed(a.operand(x), type), typed(b.operand(y), type)),
  };
}

function binaryCases(
  apply: (a: Tensor, b: Tensor) => Tensor,
  types: readonly DType[],
  floats: Draw,
): Case[] {
  return types.flatMap((type) => {
    const draw = drawFor(type, floats);
    const views: readonly (readonly [View, View])[] = [
      ...VIEWS.flatMap((view) => [[PLAIN, view], [view, PLAIN]] as const),
      ...VIEWS.map((view, i) => [view, VIEWS[(i + 1) % VIEWS.length]] as const),
    ];
    return [
      ...SIZES.map((size) => pairCase(apply, type, [size], [PLAIN, PLAIN], draw)),
      ...views.map((pair, i) => pairCase(apply, type, MATRICES[i % MATRICES.length], pair, draw)),
    ];
  });
}

/** Every edge with every edge. */
function edgePairs(
  apply: (a: Tensor, b: Tensor) => Tensor,
  types: readonly DType[],
): Case[] {
  return types.filter((type) => type !== "bool").map((type) => {
    const edges = type === "f32" ? EDGES : WHOLE_EDGES;
    const sides = [[edges.length, 1], [1, edges.length]];
    const shape = [edges.length, edges.length];
    return {
      label: `${type} at the edges`,
      inputs: sides.map((side) => core.hostTensor(edges, side)),
      f: (x, y) => apply(core.broadcastTo(x, shape), core.broadcastTo(y, shape)),
      noGradient: "there is none at infinity",
    };
  });
}

function binary(name: BinaryName, tolerance: Tolerance, floats: Draw = normal): OpCases {
  const apply = (a: Tensor, b: Tensor) => core.node({ name, attributes: {} }, [a, b]);
  const types = core.BINARY[name].takes;
  const wrap = pairCase(apply, "i32", [17], [PLAIN, PLAIN], wrapping);
  const cases = [
    ...binaryCases(apply, types, floats),
    ...edgePairs(apply, types),
    ...(types.includes("i32") ? [{ ...wrap, label: "i32[17] that wraps" }] : []),
  ];
  return { tolerance, cases };
}

function whereCases(): Case[] {
  const types = ["f32", "i32", "bool"] as const;
  return types.flatMap((type) =>
    [...SIZES.map((size) => [size]), ...MATRICES].flatMap((shape, i) => {
      const views = shape.length === 1 ? [PLAIN] : [PLAIN, VIEWS[i % VIEWS.length], VIEWS[2]];
      return views.map((view, k): Case => {
        const other = views[(k + 1) % views.length];
        const chosen = viewed(other, shape, truth, 3);
        const a = viewed(view, shape, drawFor(type, normal), 1);
        const b = viewed(PLAIN, shape, drawFor(type, normal), 2);
        return {
          label: `${type}[${shape}] ${view.label}, chosen ${other.label}`,
          inputs: [chosen.input, a.input, b.input],
          f: (c, x, y) =>
            core.where(
              typed(chosen.operand(c), "bool"),
              typed(a.operand(x), type),
              typed(b.operand(y), type),
            ),
        };
      });
    })
  );
}

/** A float as an operand of `from`, so that every pair of types is converted. */
function castCases(): Case[] {
  const types = ["f32", "i32", "bool"] as const;
  const pairs = types.flatMap((from) =>
    types.filter((to) => to !== from).map((to) => [from, to] as const)
  );
  return pairs.flatMap(([from, to]) => {
    const apply = (x: Tensor) => core.cast(x, to);
    const scaled: Draw = (size, seed) => normal(size, seed).map((x) => 3 * x);
    return [...unaryCases(apply, [from], scaled), ...edgeCases(apply, [from])];
  });
}

/** Long fused expressions: more operands and steps than one kernel may take. */
function chains(): Case[] {
  const inputs = Array.from({ length: 12 }, (_, i) => drawn([7, 17], normal, i));
  return [{
    label: "twelve operands at once",
    inputs,
    f: (...xs) => xs.reduce((total, x, i) => core.add(core.mul(total, i % 2 ? x : 0.5), x)),
  }, {
    label: "a hundred steps on one operand",
    inputs: [drawn([65], normal, 1)],
    f: (x) =>
      Array.from({ length: 100 }).reduce(
        (y: Tensor, _, i) => core.add(core.mul(y, 0.75), i % 3 === 0 ? x : 0.125),
        x,
      ),
    tolerance: { relative: 1e-5, floor: 1e-5 },
  }];
}

/** Constants on either side, neutral ones among them: what simplification looks for. */
function constants(apply: (a: core.Operand, b: core.Operand) => Tensor): Case[] {
  return [0, 1, 2, -1, 0.1].flatMap((value) =>
    [[7, 17], []].flatMap((shape): Case[] => [
      {
        label: `[${shape}] with ${value} on the right`,
        inputs: [drawn(shape, positive, 1)],
        f: (x) => apply(x, value),
      },
      {
        label: `[${shape}] with ${value} on the left`,
        inputs: [drawn(shape, positive, 1)],
        f: (x) => apply(value, x),
      },
      {
        label: `[${shape}] with ${value} and twice ${value}`,
        inputs: [drawn(shape, positive, 1)],
        f: (x) => core.mul(apply(core.full(shape, value), core.full(shape, 2 * value)), x),
      },
    ])
  );
}

function withConstants(
  cases: OpCases,
  apply: (a: core.Operand, b: core.Operand) => Tensor,
): OpCases {
  return { ...cases, cases: [...cases.cases, ...constants(apply)] };
}

const ROUNDED: Tolerance = { relative: 1.2e-7, floor: 1e-38 };
const CLOSE: Tolerance = { relative: 1e-6, floor: 1e-38 };
const WAVES: Tolerance = { relative: 1e-6, floor: 5e-7 };

/** Angles up to a few hundred turns, as rotary embeddings of long contexts need them. */
function angles(size: number, seed: number): Float32Array {
  return normal(size, seed).map((x) => x * 1000);
}

function withAngles(cases: OpCases, apply: (x: Tensor) => Tensor): OpCases {
  const wide: Case = {
    label: "f32[130] of many turns",
    inputs: [drawn([130], angles, 5)],
    f: apply,
  };
  const tame = cases.cases.filter(({ label }) => !label.endsWith("edges"));
  return { ...cases, cases: [...tame, wide] };
}

/** Cases of every elementwise operation. */
export const ELEMENTWISE_CASES: {
  readonly [name in UnaryName | BinaryName | "where" | "cast"]: OpCases;
} = {
  neg: unary("neg", EXACT),
  abs: unary("abs", EXACT),
  exp: unary("exp", CLOSE),
  log: unary("log", { relative: 1e-6, floor: 1e-7 }, positive),
  sqrt: unary("sqrt", ROUNDED, positive),
  sin: withAngles(unary("sin", WAVES), core.sin),
  cos: withAngles(unary("cos", WAVES), core.cos),
  tanh: unary("tanh", CLOSE),
  floor: unary("floor", EXACT),
  lowHalf: unary("lowHalf", EXACT),
  highHalf: unary("highHalf", EXACT),
  not: unary("not", EXACT),
  add: {
    tolerance: ROUNDED,
    cases: [...withConstants(binary("add", ROUNDED), core.add).cases, ...chains()],
  },
  sub: withConstants(binary("sub", ROUNDED), core.sub),
  mul: withConstants(binary("mul", ROUNDED), core.mul),
  div: withConstants(binary("div", ROUNDED, positive), core.div),
  max: binary("max", EXACT),
  min: binary("min", EXACT),
  less: binary("less", EXACT),
  equal: binary("equal", EXACT),
  packHalves: binary("packHalves", EXACT),
  and: binary("and", EXACT),
  or: binary("or", EXACT),
  where: { tolerance: EXACT, cases: whereCases() },
  cast: { tolerance: EXACT, cases: castCases() },
};
