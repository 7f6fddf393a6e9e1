/**
 * Maps whose axes are put in the order of one of their buffers.
 *
 * @module
 */
import type { Access, Instruction, MapSpec } from "../../../plan/kernel_spec.ts";
import { contiguousStrides, sizeOf } from "../../../core/shape.ts";

/** The map with its axes in another order. */
function permuted(map: MapSpec, order: readonly number[]): MapSpec {
  const moved = (access: Access): Access => ({
    ...access,
    strides: order.map((axis) => access.strides[axis]),
  });
  const step = (one: Instruction): Instruction =>
    one.op === "iota" ? { ...one, axis: order.indexOf(one.axis) } : one;
  return {
    family: "map",
    shape: order.map((axis) => map.shape[axis]),
    inputs: map.inputs.map(moved),
    output: moved(map.output),
    body: map.body.map(step),
  };
}

/** True where the positions of a shape are the elements 0, 1, 2, ... of an access, in order. */
function isInOrder(shape: readonly number[], { strides, offset }: Access): boolean {
  const wanted = contiguousStrides(shape);
  return offset === 0 && shape.every((size, axis) => size === 1 || strides[axis] === wanted[axis]);
}

/**
 * The map with axes in the order of an access, so that position i is element i; undefined where the
 * map does not go over all `count` elements of the buffer, each once.
 */
export function orderedBy(map: MapSpec, access: Access, count: number): MapSpec | undefined {
  if (sizeOf(map.shape) !== count || count === 0) return undefined;
  const axes = map.shape.map((_, axis) => axis);
  // Axes of one element do not matter; they go last.
  const strideOf = (axis: number): number => map.shape[axis] === 1 ? 0 : access.strides[axis];
  const order = axes.toSorted((a, b) => strideOf(b) - strideOf(a));
  const shape = order.map((axis) => map.shape[axis]);
  const strides = order.map((axis) => access.strides[axis]);
  return isInOrder(shape, { ...access, strides }) ? permuted(map, order) : undefined;
}
