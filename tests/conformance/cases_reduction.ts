/**
 * Cases of reductions: every kind of axis list, on views, and with bodies fused in.
 */
import * as core from "../../src/core/mod.ts";
import type { DType, Shape, Tensor } from "../../src/core/mod.ts";
import {
  type Case,
  type Draw,
  drawn,
  EXACT,
  normal,
  type OpCases,
  SIZES,
  type Tolerance,
  viewed,
  VIEWS,
  whole,
  wrapping,
} from "./case.ts";

type Reduce = (x: Tensor, axes: readonly number[]) => Tensor;

const AXES: readonly (readonly number[])[] = [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]];

function reductions(
  reduce: Reduce,
  type: DType,
  draw: Draw,
  lists: readonly (readonly number[])[],
  toleranceOf: (shape: Shape, axes: readonly number[]) => Tolerance = () => EXACT,
): Case[] {
  const make = (shape: Shape, axes: readonly number[]): Case => ({
    label: `${type}[${shape}] over ${axes}`,
    inputs: [drawn(shape, draw, 1)],
    f: (x) => reduce(x, axes),
    tolerance: toleranceOf(shape, axes),
  });
  const shapes = SIZES.flatMap((size) => [[size, 3, 5], [4, size, 2], [2, 3, size]]);
  const seen = VIEWS.flatMap((view) =>
    [[7, 65], [130, 3]].flatMap((shape) =>
      lists.filter((axes) => axes.every((axis) => axis < 2)).map((axes): Case => {
        const { input, operand } = viewed(view, shape, draw, 2);
        return {
          label: `${type}[${shape}] ${view.label} over ${axes}`,
          inputs: [input],
          f: (x) => reduce(operand(x), axes),
          tolerance: toleranceOf(shape, axes),
        };
      })
    )
  );
  return [
    ...SIZES.map((size) => make([size], [0])),
    ...[[17, 130], [130, 17], [1, 1000], [1000, 1]].flatMap((
      shape,
    ) => [make(shape, [0]), make(shape, [1])]),
    ...shapes.flatMap((shape) => lists.map((axes) => make(shape, axes))),
    ...seen,
  ];
}

/** Expressions that planners fuse into the reduction, and reductions that others read. */
function fused(): Case[] {
  return [[7, 65], [17, 130], [1, 3], [3, 0]].flatMap((shape): Case[] => {
    const [rows, columns] = shape;
    const inputs = [drawn(shape, normal, 1), drawn([rows, columns], normal, 2)];
    return [
      { label: `dot products [${shape}]`, inputs, f: (a, b) => core.sum(core.mul(a, b), [1]) },
      { label: `softmax [${shape}]`, inputs: inputs.slice(0, 1), f: core.softmax },
      { label: `logSoftmax [${shape}]`, inputs: inputs.slice(0, 1), f: core.logSoftmax },
      {
        label: `softmax of columns [${shape}]`,
        inputs: inputs.slice(0, 1),
        f: (x) => core.softmax(core.transpose(x)),
      },
      {
        label: `centred [${shape}]`,
        inputs,
        f: (a, b) => core.mul(core.sub(a, core.meanKeeping(core.mul(a, b), [0])), core.sum(b, [0])),
        tolerance: columns === 0 ? EXACT : undefined,
      },
      {
        label: `masked sum [${shape}]`,
        inputs,
        f: (a, b) => core.sum(core.where(core.less(core.iota(shape, 1), 2), a, core.exp(b))),
      },
    ];
  });
}

/** The largest value in many places, at the ends, and none but -Infinity. */
function ties(reduce: Reduce): Case[] {
  const rows = [
    [5, 1, 5, 5, 2, 5, 0],
    [0, 0, 0, 0, 0, 0, 0],
    [-1, -2, -3, -4, -5, -6, -0.5],
    [7, 1, 1, 1, 1, 1, 1],
    new Array<number>(7).fill(-Infinity),
  ];
  const wide = new Float32Array(3 * 130).fill(-2);
  wide[129] = 3;
  wide[130 + 64] = wide[130 + 65] = 4;
  return [
    {
      label: "ties",
      inputs: [core.hostTensor(Float32Array.from(rows.flat()), [5, 7])],
      f: (x) => reduce(x, [1]),
    },
    {
      label: "ties in columns",
      inputs: [core.hostTensor(Float32Array.from(rows.flat()), [5, 7])],
      f: (x) => reduce(core.transpose(x), [0]),
    },
    {
      label: "ties in wide rows",
      inputs: [core.hostTensor(wide, [3, 130])],
      f: (x) => reduce(x, [1]),
    },
  ];
}

/** Every step of a sum in f32 rounds by half a unit: of the running sum, or of about one. */
function roundingOfSum(shape: Shape, axes: readonly number[]): Tolerance {
  const count = core.sizeOf(axes.map((axis) => shape[axis]));
  return { relative: 2 ** -24 * (2 + Math.sqrt(count)), floor: 1e-7 * count };
}

const argmaxOf: Reduce = (x, [axis]) => core.node({ name: "argmax", attributes: { axis } }, [x]);

/** Cases of every reduction. */
export const REDUCTION_CASES: { readonly [name in "sum" | "reduceMax" | "argmax"]: OpCases } = {
  sum: {
    tolerance: { relative: 1e-6, floor: 4e-6 },
    cases: [
      ...reductions(core.sumKeeping, "f32", normal, AXES, roundingOfSum),
      ...reductions(core.sumKeeping, "i32", whole, AXES),
      ...reductions(core.sumKeeping, "i32", wrapping, [[0]]).slice(0, SIZES.length),
      ...fused(),
    ],
  },
  reduceMax: {
    tolerance: EXACT,
    cases: [...reductions(core.maxKeeping, "f32", normal, AXES), ...ties(core.maxKeeping)],
  },
  argmax: {
    tolerance: EXACT,
    cases: [
      ...reductions(argmaxOf, "f32", normal, [[0], [1], [2]]),
      ...ties(argmaxOf),
    ],
  },
};
