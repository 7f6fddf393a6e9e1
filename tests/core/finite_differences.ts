/**
 * Gradients against finite differences, in doubles and along random directions.
 *
 * A five-point stencil with step 1e-3 has an error of about 1e-12 for the smooth functions here, so
 * the tolerance of 1e-7 tells a wrong gradient from a right one with nothing to spare for excuses.
 */
import { assert } from "@std/assert";
import { add, full, mul } from "../../src/core/elementwise_ops.ts";
import { grad } from "../../src/core/grad.ts";
import { sum } from "../../src/core/linear_ops.ts";
import { constant, input } from "../../src/core/movement_ops.ts";
import { foldIn, type Key, keyOf, normals, uniform } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { DOUBLE, evaluateIn } from "../../src/backends/reference/mod.ts";

/** A function to differentiate and the points at which to do so. */
export interface Differentiable {
  /** Any f32 tensor made of the variables. */
  readonly f: (...variables: Tensor[]) => Tensor;
  /** Shapes of the variables. */
  readonly shapes: readonly Shape[];
  /** Where to draw each element from; normal by default. */
  readonly draw?: Draw;
}

/** Draws `count` numbers. */
export type Draw = (key: Key, count: number) => Float64Array;

/** Standard normal numbers. */
export function anywhere(key: Key, count: number): Float64Array {
  return Float64Array.from(normals(key, count));
}

/** Uniform in [0.5, 2): away from the poles of log, sqrt and division. */
export function positive(key: Key, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => 0.5 + 1.5 * uniform(foldIn(key, i)));
}

/** Distinct numbers 0.1 apart or more, both signs, none near zero: away from kinks and ties. */
export function separated(key: Key, count: number): Float64Array {
  const order = normals(key, count);
  const ranks = Array.from(order, (_, i) => i).sort((a, b) => order[a] - order[b]);
  const values = new Float64Array(count);
  ranks.forEach((at, rank) => values[at] = 0.1 * (rank - Math.floor(count / 2)) + 0.05);
  return values;
}

const STEP = 1e-3;
const STENCIL = [[-2, 1 / 12], [-1, -2 / 3], [1, 2 / 3], [2, -1 / 12]] as const;
const TOLERANCE = 1e-7;

type Point = readonly Float64Array[];

/** The scalar that stands for f: its elements with fixed random weights. */
function weighed(f: Differentiable["f"]): (variables: readonly Tensor[]) => Tensor {
  return (variables) => {
    const value = f(...variables);
    return sum(mul(value, constant(normals(keyOf(99), sizeOf(value.shape)), value.shape)));
  };
}

function along(gradients: readonly Tensor[], direction: readonly Tensor[]): Tensor {
  return gradients.map((g, i) => sum(mul(g, direction[i]))).reduce(
    (a, b) => add(a, b),
    full([], 0),
  );
}

function moved(point: Point, direction: Point, distance: number): Point {
  return point.map((x, i) => x.map((value, j) => value + distance * direction[i][j]));
}

function assertClose(found: number, expected: number, what: string): void {
  const error = Math.abs(found - expected) / Math.max(1, Math.abs(expected));
  assert(error <= TOLERANCE, `${what}: gradient ${found}, finite difference ${expected}`);
}

/** Checks first and second derivatives of a function at a seeded point. */
export function checkDerivatives({ f, shapes, draw = anywhere }: Differentiable, seed = 1): void {
  const score = weighed(f);
  const variables = shapes.map((shape, i) => input(shape, "f32", `x${i}`));
  const first = shapes.map((shape, i) => input(shape, "f32", `u${i}`));
  const second = shapes.map((shape, i) => input(shape, "f32", `v${i}`));
  const slope = (xs: readonly Tensor[]): Tensor => along(grad(score)(xs), first);
  const outputs = [
    score(variables),
    slope(variables),
    along(grad(slope)(variables), second),
  ];
  const points = (stream: number, from: Draw): Point =>
    shapes.map((shape, i) => from(foldIn(keyOf(seed), 10 * i + stream), sizeOf(shape)));
  const [x, u, v] = [points(0, draw), points(1, anywhere), points(2, anywhere)];
  const at = (point: Point): number[] => {
    const bound = [[variables, point], [first, u], [second, v]] as const;
    const bindings = new Map(
      bound.flatMap(([nodes, values]) => nodes.map((node, i) => [node, values[i]] as const)),
    );
    return evaluateIn(DOUBLE, outputs, bindings).map(([value]) => value);
  };
  const difference = (direction: Point, output: number): number =>
    STENCIL.reduce(
      (total, [steps, weight]) =>
        total + weight * at(moved(x, direction, steps * STEP))[output] / STEP,
      0,
    );
  const [, slopeHere, curvatureHere] = at(x);
  assertClose(slopeHere, difference(u, 0), "order 1");
  assertClose(curvatureHere, difference(v, 1), "order 2");
}
