/**
 * Fused values: what an elementwise expression over views looks like before it becomes a kernel.
 *
 * A value has leaves (strided reads of buffers, or affine coordinates) and an SSA body. Movement
 * operations only change the leaves, so views cost nothing and fuse with what surrounds them.
 *
 * @module
 */
import type { DType } from "../core/dtype.ts";
import { contiguousStrides, type Shape, sizeOf } from "../core/shape.ts";
import type { Access, Instruction } from "./kernel_spec.ts";
import { renumber } from "./renumber.ts";
import { stableJson } from "./stable_json.ts";

/** A strided read of a buffer, or (no buffer) the coordinate `offset + sum(stride * index)`. */
export interface Leaf extends Access {
  readonly buffer: number | undefined;
}

/** An expression over the index space `shape`; the last step is its result. */
export interface Value {
  readonly shape: Shape;
  readonly type: DType;
  readonly leaves: readonly Leaf[];
  /** `load` steps count leaves, not kernel arguments. */
  readonly steps: readonly Instruction[];
}

/** The value of a contiguous buffer. */
export function bufferValue(buffer: number, shape: Shape, type: DType): Value {
  const leaf = { buffer, type, strides: contiguousStrides(shape), offset: 0 };
  return { shape, type, leaves: [leaf], steps: [{ op: "load", access: 0, type }] };
}

/** The value of a scalar constant over a shape. */
export function constantValue(value: number, shape: Shape, type: DType): Value {
  return { shape, type, leaves: [], steps: [{ op: "constant", value, type }] };
}

/** The i32 coordinate along an axis. */
export function coordinateValue(axis: number, shape: Shape): Value {
  const strides = shape.map((_, i) => i === axis ? 1 : 0);
  const leaf: Leaf = { buffer: undefined, type: "i32", strides, offset: 0 };
  return { shape, type: "i32", leaves: [leaf], steps: [{ op: "load", access: 0, type: "i32" }] };
}

/** The only leaf of a value that is nothing but a read of a buffer. */
export function plainLeaf(value: Value): (Leaf & { readonly buffer: number }) | undefined {
  const [leaf] = value.leaves;
  if (value.steps.length !== 1 || leaf?.buffer === undefined) return undefined;
  return { ...leaf, buffer: leaf.buffer };
}

/** True where the strides are those of a contiguous array, sizes of 1 aside. */
export function isContiguous(shape: Shape, access: Access): boolean {
  const wanted = contiguousStrides(shape);
  return access.offset === 0 &&
    (sizeOf(shape) === 0 ||
      shape.every((size, axis) => size === 1 || access.strides[axis] === wanted[axis]));
}

function withLeaves(value: Value, shape: Shape, change: (leaf: Leaf) => Leaf): Value {
  return { ...value, shape, leaves: value.leaves.map(change) };
}

/** Axis i of the result is axis `order[i]`. */
export function permuteValue(value: Value, order: readonly number[]): Value {
  const pick = (list: readonly number[]) => order.map((axis) => list[axis]);
  return withLeaves(value, pick(value.shape), (l) => ({ ...l, strides: pick(l.strides) }));
}

/** Axes of size 1 repeated. */
export function broadcastValue(value: Value, shape: Shape): Value {
  return withLeaves(value, shape, (leaf) => ({
    ...leaf,
    strides: leaf.strides.map((stride, axis) => value.shape[axis] === shape[axis] ? stride : 0),
  }));
}

/** The box that begins at `start`. */
export function sliceValue(value: Value, start: readonly number[], sizes: Shape): Value {
  return withLeaves(value, sizes, (leaf) => ({
    ...leaf,
    offset: leaf.offset + leaf.strides.reduce((sum, stride, i) => sum + stride * start[i], 0),
  }));
}

/**
 * Strides under which the same elements have another shape, or undefined where no strides do.
 *
 * Axes are consumed in groups of equal size; within a group the old axes must be mergeable.
 */
export function reshapedStrides(
  shape: Shape,
  strides: readonly number[],
  target: Shape,
): number[] | undefined {
  if (sizeOf(shape) === 0) return contiguousStrides(target);
  const old = shape.flatMap((size, i) => size === 1 ? [] : [{ size, stride: strides[i] }]);
  const made = new Array<number>(target.length).fill(0);
  let from = 0;
  let to = 0;
  while (to < target.length) {
    if (target[to] === 1) {
      to++;
      continue;
    }
    const start = from;
    let have = old[from++].size;
    const first = to;
    let want = target[to++];
    while (have !== want) {
      if (have < want) have *= old[from++].size;
      else want *= target[to++];
    }
    for (let i = start; i + 1 < from; i++) {
      if (old[i].stride !== old[i + 1].stride * old[i + 1].size) return undefined;
    }
    let stride = old[from - 1].stride;
    for (let i = to - 1; i >= first; i--) {
      made[i] = stride;
      stride *= target[i];
    }
  }
  return made;
}

/** The value under another shape, or undefined where a copy is needed. */
export function reshapeValue(value: Value, shape: Shape): Value | undefined {
  const strides = value.leaves.map((leaf) => reshapedStrides(value.shape, leaf.strides, shape));
  if (strides.some((found) => found === undefined)) return undefined;
  let next = 0;
  return withLeaves(value, shape, (leaf) => ({ ...leaf, strides: strides[next++] ?? [] }));
}

/** The values computed side by side: shared leaves and steps, and where each result is. */
interface Merged {
  readonly leaves: readonly Leaf[];
  readonly steps: readonly Instruction[];
  readonly results: readonly number[];
}

/** Adds an entry unless an equal one is there; gives its index. */
function intern<T>(list: T[], index: Map<string, number>, entry: T): number {
  const key = stableJson(entry);
  const found = index.get(key);
  if (found !== undefined) return found;
  index.set(key, list.length);
  return list.push(entry) - 1;
}

function merge(values: readonly Value[]): Merged {
  const leaves: Leaf[] = [];
  const steps: Instruction[] = [];
  const leafIndex = new Map<string, number>();
  const stepIndex = new Map<string, number>();
  const results = values.map((value) => {
    const leafMap = value.leaves.map((leaf) => intern(leaves, leafIndex, leaf));
    const stepMap: number[] = [];
    for (const step of value.steps) {
      const moved = step.op === "load"
        ? { ...step, access: leafMap[step.access] }
        : renumber(step, stepMap);
      stepMap.push(intern(steps, stepIndex, moved));
    }
    return stepMap[stepMap.length - 1];
  });
  return { leaves, steps, results };
}

/** An operation applied to values of one shape; `make` gives its step from the operands' places. */
export function combineValues(
  values: readonly Value[],
  type: DType,
  make: (results: readonly number[]) => Instruction,
): Value {
  const { leaves, steps, results } = merge(values);
  return { shape: values[0].shape, type, leaves, steps: [...steps, make(results)] };
}

const HEAVY: ReadonlySet<string> = new Set(["exp", "log", "sin", "cos", "tanh", "packHalves"]);
const MEDIUM: ReadonlySet<string> = new Set(["div", "sqrt", "lowHalf", "highHalf"]);

/** How much computing one element takes, roughly in simple instructions. */
export function costOf(value: Value): number {
  return value.steps.reduce((sum, { op }) => {
    if (op === "load" || op === "constant" || op === "iota") return sum;
    return sum + (HEAVY.has(op) ? 10 : MEDIUM.has(op) ? 4 : 1);
  }, 0);
}

/** Leaves that read (nearly) one element per element of the value, so that reading them costs. */
export function fullLeaves(value: Value): number {
  const size = sizeOf(value.shape);
  return value.leaves.filter((leaf) => {
    const touched = value.shape.reduce((n, s, i) => leaf.strides[i] === 0 ? n : n * s, 1);
    return leaf.buffer !== undefined && touched * 2 > size;
  }).length;
}
