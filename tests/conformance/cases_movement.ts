/**
 * Cases of operations that move elements, and of the sources.
 */
import * as core from "../../src/core/mod.ts";
import type { DType, OpName, Shape, Tensor } from "../../src/core/mod.ts";
import {
  type Case,
  drawn,
  EXACT,
  normal,
  type OpCases,
  PLAIN,
  SIZES,
  truth,
  typed,
  viewed,
  VIEWS,
  whole,
} from "./case.ts";

const TYPES = ["f32", "i32", "bool"] as const;
const DRAW = { f32: normal, i32: whole, bool: truth } as const;

/** One case per type. */
function eachType(label: string, shape: Shape, move: (x: Tensor) => Tensor): Case[] {
  return TYPES.map((type) => ({
    label: `${type}[${shape}] ${label}`,
    inputs: [drawn(shape, DRAW[type], 1)],
    f: (x) => move(typed(x, type)),
  }));
}

const exact = (cases: readonly Case[]): OpCases => ({ tolerance: EXACT, cases });

/** Each size in each place of a shape whose other sizes are odd. */
const BOXES: readonly Shape[] = SIZES.flatMap((
  size,
) => [[size], [size, 3], [5, size], [2, size, 3]]);

function reshapes(): Case[] {
  return BOXES.flatMap((shape) => {
    const size = core.sizeOf(shape);
    const flat = eachType("to one axis", shape, (x) => core.reshape(x, [size]));
    const turned = eachType(
      "transposed to one axis",
      shape,
      (x) => core.reshape(core.permute(x, shape.map((_, axis) => shape.length - 1 - axis)), [size]),
    );
    const halves = eachType("sliced to one axis", shape, (x) => {
      const half = core.sliceAxis(x, -1, 0, shape[shape.length - 1] >> 1);
      return core.reshape(half, [core.sizeOf(half.shape)]);
    });
    return [...flat, ...turned, ...halves];
  });
}

function permutes(): Case[] {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  const shapes = SIZES.flatMap((size) => [[size, 3, 5], [4, size, 2], [2, 3, size]]);
  const three = shapes.flatMap((shape) =>
    orders.slice(1).flatMap((order) =>
      eachType(`in order ${order}`, shape, (x) => core.permute(x, order)).slice(0, 1)
    )
  );
  const two = [[64, 65], [130, 17]].flatMap((shape) =>
    eachType("transposed", shape, core.transpose)
  );
  return [...three, ...two];
}

function broadcasts(): Case[] {
  return BOXES.flatMap((shape) => [
    ...eachType("along a new axis", shape, (x) => core.broadcastTo(x, [3, ...shape])),
    ...shape.flatMap((size, axis) => {
      const one = shape.map((s, i) => i === axis ? 1 : s);
      return eachType(`axis ${axis} to ${size}`, one, (x) => core.broadcastTo(x, shape)).slice(
        0,
        1,
      );
    }),
  ]);
}

function slices(): Case[] {
  return BOXES.flatMap((shape) =>
    shape.flatMap((size, axis) => {
      const cut = (label: string, start: number, length: number) =>
        eachType(`${label} of axis ${axis}`, shape, (x) => core.sliceAxis(x, axis, start, length));
      if (size === 0) return cut("nothing", 0, 0);
      return [...cut("end", size - 1, 1), ...cut("middle", size >> 2, size >> 1).slice(0, 1)];
    })
  );
}

function pads(): Case[] {
  return BOXES.flatMap((shape) => {
    const none = shape.map(() => 0);
    const around = shape.map((_, axis) => axis + 1);
    return [
      ...eachType("before", shape, (x) => core.pad(x, around, none)),
      ...eachType("after", shape, (x) => core.pad(x, none, around)).slice(0, 1),
      ...eachType("transposed, around", shape, (x) => {
        const order = shape.map((_, axis) => shape.length - 1 - axis);
        return core.pad(core.permute(x, order), around, around);
      }).slice(0, 1),
    ];
  });
}

function concats(): Case[] {
  return SIZES.flatMap((size) =>
    [0, 1].flatMap((axis) =>
      TYPES.map((type): Case => {
        const shapes = [size, 3, 1].map((s) => axis === 0 ? [s, 5] : [5, s]);
        const last = viewed(VIEWS[2], shapes[0], DRAW[type], 4);
        return {
          label: `${type} of ${size}, 3, 1 and a view along axis ${axis}`,
          inputs: [...shapes.map((shape, i) => drawn(shape, DRAW[type], i)), last.input],
          f: (a, b, c, d) =>
            core.concat([a, b, c, last.operand(d)].map((part) => typed(part, type)), axis),
        };
      })
    )
  );
}

function names(apply: (x: Tensor) => Tensor): Case[] {
  return [PLAIN, ...VIEWS].flatMap((view) =>
    TYPES.map((type) => {
      const { input, operand } = viewed(view, [7, 17], DRAW[type], 1);
      const f = (x: Tensor) => apply(typed(operand(x), type));
      return { label: `${type} ${view.label}`, inputs: [input], f };
    })
  );
}

/** A value seen before and after something else was computed from it. */
const again = (x: Tensor): Tensor => {
  const turned = core.transpose(x);
  const late = core.after(x, [core.reshape(turned, [core.sizeOf(x.shape)])]);
  return core.concat([turned, core.transpose(late)], 0);
};

/** The first element, with a gradient that has nothing to do with it. */
function corner(x: Tensor): Tensor {
  const first = core.reshape(core.slice(x, [0, 0], [1, 1]), []);
  return core.withGradients(first, [{ of: x, gradient: core.mul(x, 2) }]);
}

function fulls(): Case[] {
  const values: readonly (readonly [number, DType])[] = [
    ...[0, 1, -2.5, 0.1, 1e30, Infinity, -Infinity, NaN].map((value) => [value, "f32"] as const),
    ...[0, -1, 2 ** 31 - 1, -(2 ** 31)].map((value) => [value, "i32"] as const),
    [0, "bool"],
    [1, "bool"],
  ];
  const alone = values.map(([value, type]) => ({
    label: `${type} ${value} alone`,
    inputs: [],
    f: () => core.full([5], value, type),
  }));
  const sizes = SIZES.map((size) => ({
    label: `f32[${size}]`,
    inputs: [drawn([size], normal, 1)],
    f: (x: Tensor) => core.add(x, core.full([size], 0.1)),
  }));
  return [...alone, ...sizes];
}

function datas(): Case[] {
  return SIZES.flatMap((size) => [
    { label: `f32[${size}]`, inputs: [], f: () => core.constant(normal(size, 1)) },
    {
      label: `i32[2, ${size}] transposed`,
      inputs: [],
      f: () => core.transpose(core.constant(whole(2 * size, 2), [2, size])),
    },
    {
      label: `f32[${size}] twice`,
      inputs: [drawn([size], normal, 3)],
      f: (x: Tensor) =>
        core.mul(core.constant(normal(size, 1)), core.mul(x, core.constant(normal(size, 1)))),
      tolerance: { relative: 3e-7, floor: 0 },
    },
  ]);
}

function iotas(): Case[] {
  return BOXES.flatMap((shape) =>
    shape.flatMap((_, axis) => [
      { label: `[${shape}] axis ${axis}`, inputs: [], f: () => core.iota(shape, axis) },
      {
        label: `[${shape}] axis ${axis} of a view`,
        inputs: [],
        f: () => {
          const turned = core.permute(
            core.iota(shape, axis),
            shape.map((_, i) => shape.length - 1 - i),
          );
          return core.reshape(core.add(turned, core.mul(turned, 2)), [core.sizeOf(shape)]);
        },
      },
    ])
  );
}

/** Cases of every movement and every source. */
export const MOVEMENT_CASES: {
  readonly [
    name in Extract<
      OpName,
      | "input"
      | "full"
      | "data"
      | "iota"
      | "identity"
      | "stopGradient"
      | "after"
      | "rematerialize"
      | "withGradients"
      | "reshape"
      | "permute"
      | "broadcast"
      | "slice"
      | "pad"
      | "concat"
    >
  ]: OpCases;
} = {
  input: exact(names((x) => x)),
  full: exact(fulls()),
  data: exact(datas()),
  iota: exact(iotas()),
  identity: exact(names(core.identity)),
  stopGradient: exact(names(core.stopGradient)),
  after: exact(names(again)),
  rematerialize: exact(names(core.checkpoint(again))),
  withGradients: exact(names((x) => corner(core.cast(x, "f32")))),
  reshape: exact(reshapes()),
  permute: exact(permutes()),
  broadcast: exact(broadcasts()),
  slice: exact(slices()),
  pad: exact(pads()),
  concat: exact(concats()),
};
