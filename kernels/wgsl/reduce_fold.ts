/**
 * How a reduction folds elements into an accumulator, and accumulators into one.
 *
 * @module
 */
import type { DType } from "../../src/core/dtype.ts";
import type { Combine } from "../../src/plan/kernel_spec.ts";
import type { BodyCode } from "./body.ts";
import { heldType } from "./shader.ts";

/** A variable of an accumulator. */
export interface Held {
  readonly name: string;
  readonly type: "f32" | "i32";
  /** What it holds while nothing was taken in. */
  readonly identity: string;
}

/** The code of one way of folding. */
export interface Fold {
  /** The accumulator; the last variable is the result. */
  readonly held: readonly Held[];
  /** Takes the element of reduced index `r` into the variables. */
  take(element: BodyCode, r: string): string;
  /** Folds one accumulator into another, given what their variables are called. */
  merge(into: readonly string[], other: readonly string[]): string;
}

const LOWEST = { f32: "-bitcast<f32>(infinity_bits)", i32: "i32(-2147483648)" } as const;

function sumFold(type: "f32" | "i32"): Fold {
  return {
    held: [{ name: "total", type, identity: type === "f32" ? "0f" : "0i" }],
    take: ({ value, factors }) =>
      factors === undefined
        ? `total = total + ${value};`
        : `total = fma(${factors[0]}, ${factors[1]}, total);`,
    merge: ([into], [other]) => `${into} = ${into} + ${other};`,
  };
}

/** max: NaN where any value is NaN. */
function maxFold(type: "f32" | "i32"): Fold {
  const larger = type === "f32" ? "max_f32" : "max";
  return {
    held: [{ name: "largest", type, identity: LOWEST[type] }],
    take: ({ value }) => `largest = ${larger}(largest, ${value});`,
    merge: ([into], [other]) => `${into} = ${larger}(${into}, ${other});`,
  };
}

/** argmax: on a tie the smaller index; NaN is passed over, but none beats it in the first place. */
function argmaxFold(type: "f32" | "i32"): Fold {
  const found = (value: string, r: string): string =>
    type === "f32"
      ? `select(${value}, bitcast<f32>(infinity_bits), ${r} == 0u && is_nan(${value}))`
      : value;
  return {
    held: [
      { name: "largest", type, identity: LOWEST[type] },
      { name: "found", type: "i32", identity: "0i" },
    ],
    take: ({ value }, r) =>
      `let next = ${found(value, r)};
if (next > largest) { largest = next; found = i32(${r}); }`,
    merge: ([value, index], [other, otherIndex]) =>
      `if (${other} > ${value} || (${other} == ${value} && ${otherIndex} < ${index})) {
${value} = ${other};
${index} = ${otherIndex};
}`,
  };
}

/** The fold of a reduction over values of a type. */
export function foldOf(combine: Combine, type: DType): Fold {
  const held = heldType(type);
  if (combine === "argmax") return argmaxFold(held);
  return combine === "max" ? maxFold(held) : sumFold(held);
}
