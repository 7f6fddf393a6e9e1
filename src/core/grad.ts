/**
 * Differentiation as functions from functions to functions.
 *
 * @module
 */
import { full } from "./elementwise_ops.ts";
import { OutriderError } from "./errors.ts";
import { identity } from "./movement_ops.ts";
import { shapeText } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { leavesOf, type MapLeaves, mapTree, withLeaves } from "./tree.ts";
import { pullback } from "./vjp.ts";

/** True for tensors: the leaves of a parameter tree in a graph. */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "op" in value && "inputs" in value;
}

/** The tree of gradients that belongs to a tree of parameters. */
export type Gradients<P> = MapLeaves<P, Tensor, Tensor>;

/** A scalar and its gradients; `auxiliary` is whatever else the function gave. */
export interface ValueAndGrad<P, Extra> {
  /** The scalar. */
  readonly value: Tensor;
  /** Its gradients, in the structure of the parameters. */
  readonly gradients: Gradients<P>;
  /** What the function gave besides the scalar. */
  readonly auxiliary: Extra;
}

/** What a function that is differentiated gives: a scalar, and values to pass on. */
export interface Scored<Extra> {
  /** The scalar to differentiate, shape `[]`. */
  readonly value: Tensor;
  /** Values to pass on, such as metrics. */
  readonly auxiliary: Extra;
}

/**
 * The gradients of a function that gives a scalar and something else besides.
 *
 * @throws OutriderError where the value is not an f32 scalar
 * @example
 * ```ts
 * import { constant, mul, sum, valueAndGradWith } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2));
 * const scored = valueAndGradWith((p: typeof x) => ({ value: sum(mul(p, p)), auxiliary: sum(p) }))(x);
 * assertEquals(evaluateGraph([scored.gradients, scored.auxiliary], new Map()), [
 *   Float32Array.of(2, 4),
 *   Float32Array.of(3),
 * ]);
 * ```
 */
export function valueAndGradWith<P, Rest extends readonly unknown[], Extra>(
  f: (parameters: P, ...rest: Rest) => Scored<Extra>,
): (parameters: P, ...rest: Rest) => ValueAndGrad<P, Extra> {
  return (parameters, ...rest) => {
    const fresh = leavesOf(parameters, isTensor).map(identity);
    const { value, auxiliary } = f(renamed(parameters, fresh), ...rest);
    if (value.shape.length !== 0 || value.type !== "f32") {
      throw new OutriderError(
        "an f32 scalar to differentiate",
        `${value.type}${shapeText(value.shape)}`,
        "reduce it with sum or mean first",
      );
    }
    const found = pullback(value, full([], 1), fresh);
    const gradients = found.map((g, i) => g ?? full(fresh[i].shape, 0));
    return { value, auxiliary, gradients: withLeaves(parameters, isTensor, gradients) };
  };
}

/** A parameter tree with other nodes at its leaves; tensors replace tensors, so the type stays. */
export function renamed<P>(parameters: P, leaves: readonly Tensor[]): P;
export function renamed(parameters: unknown, leaves: readonly Tensor[]): unknown {
  let next = 0;
  return mapTree(parameters, isTensor, () => leaves[next++]);
}

/**
 * The value and the gradients of a scalar function with respect to its first argument.
 *
 * @example
 * ```ts
 * import { input, mul, printGraph, sum, valueAndGrad } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = input([3], "f32", "x");
 * const { gradients } = valueAndGrad((p: typeof x) => sum(mul(p, p)))(x);
 * assertEquals(gradients.shape, [3]);
 * ```
 */
export function valueAndGrad<P, Rest extends readonly unknown[]>(
  f: (parameters: P, ...rest: Rest) => Tensor,
): (parameters: P, ...rest: Rest) => { readonly value: Tensor; readonly gradients: Gradients<P> } {
  return valueAndGradWith((parameters: P, ...rest: Rest) => ({
    value: f(parameters, ...rest),
    auxiliary: undefined,
  }));
}

/**
 * The gradients of a scalar function with respect to its first argument.
 *
 * @example
 * ```ts
 * import { constant, grad, mul, sum, type Tensor } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const cube = (x: Tensor) => sum(mul(x, mul(x, x)));
 * const second = grad((x: Tensor) => grad(cube)(x))(constant(Float32Array.of(2), []));
 * assertEquals(evaluateGraph([second], new Map()), [Float32Array.of(12)]);
 * ```
 */
export function grad<P, Rest extends readonly unknown[]>(
  f: (parameters: P, ...rest: Rest) => Tensor,
): (parameters: P, ...rest: Rest) => Gradients<P> {
  const both = valueAndGrad(f);
  return (parameters, ...rest) => both(parameters, ...rest).gradients;
}
