/** The gradient of a batch's loss on every parameter of a drafter, held against slopes, in doubles. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { DOUBLE, evaluateIn } from "../../src/backends/reference/mod.ts";
import {
  constant,
  type DenseHostTensor,
  foldIn,
  isHostTensor,
  isTensor,
  keyOf,
  leavesOf,
  type MapLeaves,
  mapTree,
  normals,
  sizeOf,
  type Tensor,
  valueAndGradWith,
} from "../../src/core/mod.ts";
import type { BatchLoss } from "../../src/train/mod.ts";

const isDense = (it: unknown): it is DenseHostTensor => isHostTensor(it);

/** A tree of arrays as constants. */
export function constantsOf<Batch>(batch: Batch): MapLeaves<Batch, DenseHostTensor, Tensor> {
  return mapTree(batch, isDense, ({ data, shape }: DenseHostTensor) => constant(data, shape));
}

/**
 * Asserts that the gradient on every parameter is the slope along a random direction, and not 0.
 *
 * @param inputs the parameters as inputs of a graph
 * @param first where slopes are taken, in the order of the inputs
 */
export function assertSlopes<Parameters, Given, Batch>(
  loss: BatchLoss<Parameters, Given, Batch>,
  inputs: Parameters,
  first: unknown,
  given: Given,
  batch: Batch,
): void {
  const { value, gradients } = valueAndGradWith(loss)(inputs, given, batch);
  const [variables, slopes] = [leavesOf(inputs, isTensor), leavesOf(gradients, isTensor)];
  const point = leavesOf(first, isDense).map(({ data }) => Float64Array.from(data));
  assertEquals(variables.length, point.length);
  const at = (outputs: readonly Tensor[], values: readonly Float64Array[]) =>
    evaluateIn(DOUBLE, outputs, new Map(variables.map((node, i) => [node, values[i]])));
  const found = at(slopes, point);
  variables.forEach(({ shape }, i) => {
    const direction = normals(foldIn(keyOf(3), i), sizeOf(shape));
    const moved = (step: number) =>
      point.map((values, k) => k === i ? values.map((x, n) => x + step * direction[n]) : values);
    const h = 1e-5;
    const [[above], [below]] = [at([value], moved(h))[0], at([value], moved(-h))[0]];
    const slope = Array.from(found[i]).reduce((sum, g, n) => sum + g * direction[n], 0);
    assert(slope !== 0);
    assertAlmostEquals(slope, (above - below) / (2 * h), 1e-7 * Math.max(1, Math.abs(slope)));
  });
}
