/**
 * How a reduction folds vectors into accumulators, and accumulators into one result.
 *
 * @module
 */
import type { DType } from "../../src/core/dtype.ts";
import type { Combine } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { f32x4, i32x4, v128 } from "./assembler_ops.ts";
import type { MathContext } from "./math.ts";
import { combineLanes } from "./lanes.ts";

type V128 = Expression<"v128">;

/** An accumulator: a value per lane, and for argmax the index where it was found. */
export interface Accumulator {
  /** The value so far, per lane. */
  readonly value: Local<"v128">;
  /** Where it was found, per lane. */
  readonly index: Local<"v128">;
}

/** The operations of one reduction. */
export interface Fold {
  /** A new accumulator that has seen nothing. */
  start(): Accumulator;
  /** Makes an accumulator forget. */
  reset(accumulator: Accumulator): void;
  /** Takes in one vector; `index` gives the reduced index of each lane where it is needed. */
  take(accumulator: Accumulator, value: V128, index: () => V128): void;
  /** Folds `other` into `into`. */
  merge(into: Accumulator, other: Accumulator): void;
  /** Folds the lanes together, into every lane. */
  acrossLanes(accumulator: Accumulator): void;
  /** The vector that changes nothing, for lanes beyond the end. */
  readonly identity: V128;
  /** The result per lane. */
  result(accumulator: Accumulator): V128;
}

const SMALLEST_INTEGER = -(2 ** 31);

function identityOf(combine: Combine, type: DType): V128 {
  if (combine === "sum") return i32x4.constant(0, 0, 0, 0);
  if (type === "f32") return f32x4.constant(-Infinity);
  return i32x4.constant(SMALLEST_INTEGER, SMALLEST_INTEGER, SMALLEST_INTEGER, SMALLEST_INTEGER);
}

function combiner(combine: "sum" | "max", type: DType): (a: V128, b: V128) => V128 {
  if (type === "f32") return combine === "sum" ? f32x4.add : f32x4.pmax;
  return combine === "sum" ? i32x4.add : i32x4.maxS;
}

/** sum and max: one vector operation. */
function plainFold({ builder }: MathContext, combine: "sum" | "max", type: DType): Fold {
  const operation = combiner(combine, type);
  const identity = builder.constant(identityOf(combine, type));
  return {
    identity,
    start() {
      const value = builder.local(identity);
      return { value, index: value };
    },
    reset: ({ value }) => builder.assign(value, identity),
    take: ({ value }, next) => builder.assign(value, operation(value, next)),
    merge: (into, other) => builder.assign(into.value, operation(into.value, other.value)),
    acrossLanes: ({ value }) => builder.assign(value, combineLanes(builder, value, operation)),
    result: ({ value }) => value,
  };
}

/** argmax: the larger value wins, on a tie the smaller index. */
function argmaxFold({ builder }: MathContext, type: DType): Fold {
  const identity = builder.constant(identityOf("argmax", type));
  const zero = builder.constant(i32x4.constant(0, 0, 0, 0));
  const greater = type === "f32" ? f32x4.gt : i32x4.gtS;
  const equal = type === "f32" ? f32x4.eq : i32x4.eq;
  const keepBetter = (into: Accumulator, value: V128, index: V128): void => {
    const tie = v128.and(equal(value, into.value), i32x4.ltS(index, into.index));
    const better = builder.local(v128.or(greater(value, into.value), tie));
    builder.assign(into.index, v128.bitselect(index, into.index, better));
    builder.assign(into.value, v128.bitselect(value, into.value, better));
  };
  const acrossLanes = (accumulator: Accumulator): void => {
    for (const lanes of [[2, 3, 0, 1], [1, 0, 3, 2]] as const) {
      const value = builder.local(v128.shuffle32(accumulator.value, accumulator.value, lanes));
      const index = builder.local(v128.shuffle32(accumulator.index, accumulator.index, lanes));
      keepBetter(accumulator, value, index);
    }
  };
  return {
    identity,
    start: () => ({ value: builder.local(identity), index: builder.local(zero) }),
    reset({ value, index }) {
      builder.assign(value, identity);
      builder.assign(index, zero);
    },
    take: (into, value, index) => keepBetter(into, value, builder.local(index())),
    merge: (into, other) => keepBetter(into, other.value, other.index),
    acrossLanes,
    result: ({ index }) => index,
  };
}

/**
 * max of f32: NaN where any value is NaN. The values are folded by an instruction that passes NaN
 * over, and a mask of the lanes without it goes beside them: together they cost a third of `f32x4.max`.
 */
function floatMaxFold(context: MathContext): Fold {
  const { builder } = context;
  const plain = plainFold(context, "max", "f32");
  const all = builder.constant(i32x4.constant(-1, -1, -1, -1));
  const numbers = ({ index }: Accumulator, mask: V128): void =>
    builder.assign(index, v128.and(index, mask));
  return {
    ...plain,
    start: () => ({ value: builder.local(plain.identity), index: builder.local(all) }),
    reset(accumulator) {
      plain.reset(accumulator);
      builder.assign(accumulator.index, all);
    },
    take(accumulator, next, index) {
      const value = builder.local(next);
      numbers(accumulator, f32x4.eq(value, value));
      plain.take(accumulator, value, index);
    },
    merge(into, other) {
      numbers(into, other.index);
      plain.merge(into, other);
    },
    acrossLanes(accumulator) {
      builder.assign(accumulator.index, combineLanes(builder, accumulator.index, v128.and));
      plain.acrossLanes(accumulator);
    },
    result: ({ value, index }) => v128.or(value, v128.not(index)),
  };
}

/** The fold of a reduction over values of `type`. */
export function foldOf(context: MathContext, combine: Combine, type: DType): Fold {
  if (combine === "argmax") return argmaxFold(context, type);
  return combine === "max" && type === "f32"
    ? floatMaxFold(context)
    : plainFold(context, combine, type);
}
