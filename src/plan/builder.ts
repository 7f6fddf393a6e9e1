/**
 * The builder that lowering writes into: numbered buffers, commands, and the value of every node.
 *
 * It lives for one call of `makePlan` and never leaves it.
 *
 * @module
 */
import { type DType, ELEMENT_BYTES, type HostArray, isPacked } from "../core/dtype.ts";
import { OutriderError } from "../core/errors.ts";
import { contiguousStrides, type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Access, Instruction, KernelSpec } from "./kernel_spec.ts";
import type { Command } from "./plan.ts";
import { renumber } from "./renumber.ts";
import { bufferValue, isContiguous, type Leaf, plainLeaf, type Value } from "./value.ts";

/** A buffer while the plan is being made; temporaries get their slot later. */
export type DraftBuffer =
  | { readonly home: "input" | "output"; readonly index: number; readonly bytes: number }
  | { readonly home: "temporary"; readonly bytes: number }
  | { readonly home: "constant"; readonly data: HostArray; readonly bytes: number };

/** The state of one lowering. */
export interface Builder {
  readonly buffers: DraftBuffer[];
  readonly commands: Command[];
  /** The value of every node lowered so far (packed inputs have none). */
  readonly values: Map<Tensor, Value>;
  /** Buffers of the graph's inputs. */
  readonly inputs: ReadonlyMap<Tensor, number>;
  /** The output buffer that a node's value should be written to. */
  readonly wanted: Map<Tensor, number>;
  /** How many nodes (and outputs) use each node. */
  readonly uses: ReadonlyMap<Tensor, number>;
  /** For an output buffer that takes over a donated input's memory: that input's buffer. */
  readonly aliases: ReadonlyMap<number, number>;
  /** The quantised form of rows that products with integer weights have read so far. */
  readonly quantized: Map<Tensor, number>;
  /** Dequantised matrices that every user reads packed, so that nobody needs the f32 values. */
  readonly readPacked: ReadonlySet<Tensor>;
  /** Gradients of one attention for all its operands: each with the first of them. */
  readonly attentionGrads: ReadonlyMap<Tensor, Tensor>;
  /** For the first of such gradients: the buffer that holds all. */
  readonly jointGrads: Map<Tensor, number>;
}

/** Adds a buffer and gives its number. */
export function addBuffer(builder: Builder, buffer: DraftBuffer): number {
  return builder.buffers.push(buffer) - 1;
}

/** Adds a command. */
export function emit(builder: Builder, spec: KernelSpec, args: readonly number[]): void {
  builder.commands.push({ spec, args });
}

/** The buffer that a node's result goes to: the output that wants it, or a new temporary. */
export function resultBuffer(builder: Builder, t: Tensor): number {
  const output = builder.wanted.get(t);
  if (output !== undefined) return output;
  return addBuffer(builder, { home: "temporary", bytes: sizeOf(t.shape) * ELEMENT_BYTES });
}

/** The value of an operand that was lowered before. */
export function valueOf(builder: Builder, t: Tensor): Value {
  const value = builder.values.get(t);
  if (value === undefined) {
    throw new OutriderError(
      "a tensor of a computed type",
      `${t.type} from ${t.op.name}`,
      "use a packed matrix only through linear, dense or gather(dense(table))",
    );
  }
  return value;
}

/** The element type of a node that is computed with. */
export function computedType(t: Tensor): DType {
  if (isPacked(t.type)) throw new OutriderError("a computed type", t.type, "dequantize it first");
  return t.type;
}

/** A body's leaves as kernel arguments: buffers get accesses, coordinates become instructions. */
export interface KernelBody {
  readonly inputs: readonly Access[];
  readonly buffers: readonly number[];
  readonly body: readonly Instruction[];
}

/** Writes out an affine coordinate: offset + sum of stride * iota(axis). */
function coordinateSteps(leaf: Leaf, shape: Shape, body: Instruction[]): number {
  let result = body.push({ op: "constant", value: leaf.offset, type: "i32" }) - 1;
  leaf.strides.forEach((stride, axis) => {
    if (stride === 0 || shape[axis] <= 1) return;
    const index = body.push({ op: "iota", axis, type: "i32" }) - 1;
    const factor = body.push({ op: "constant", value: stride, type: "i32" }) - 1;
    const term = body.push({ op: "mul", args: [index, factor], type: "i32" }) - 1;
    result = body.push({ op: "add", args: [result, term], type: "i32" }) - 1;
  });
  return result;
}

/** Turns a value into what a map or reduce kernel takes. */
export function kernelBody(value: Value): KernelBody {
  const inputs: Access[] = [];
  const buffers: number[] = [];
  const body: Instruction[] = [];
  const places: number[] = [];
  for (const step of value.steps) {
    const leaf = step.op === "load" ? value.leaves[step.access] : undefined;
    if (leaf === undefined) places.push(body.push(renumber(step, places)) - 1);
    else if (leaf.buffer === undefined) places.push(coordinateSteps(leaf, value.shape, body));
    else {
      const { buffer, type, strides, offset } = leaf;
      buffers.push(buffer);
      const access = inputs.push({ type, strides, offset }) - 1;
      places.push(body.push({ op: "load", access, type }) - 1);
    }
  }
  return { inputs, buffers, body };
}

/** Emits a map kernel that writes a value through the given access. */
export function emitMap(builder: Builder, value: Value, target: number, output: Access): void {
  if (sizeOf(value.shape) === 0) return;
  const { inputs, buffers, body } = kernelBody(value);
  const spec: KernelSpec = { family: "map", shape: value.shape, inputs, output, body };
  emit(builder, spec, [...buffers, target]);
}

/** Emits a map kernel that writes a value to a whole buffer. */
export function emitStore(builder: Builder, value: Value, target: number): void {
  const strides = contiguousStrides(value.shape);
  emitMap(builder, value, target, { type: value.type, strides, offset: 0 });
}

function sameMemory(builder: Builder, buffer: number, wanted: number): boolean {
  return buffer === wanted || builder.aliases.get(wanted) === buffer;
}

/**
 * Makes a node's value a contiguous buffer, computing it once for all users.
 *
 * @returns the buffer
 */
export function materialize(builder: Builder, t: Tensor): number {
  const value = valueOf(builder, t);
  const leaf = plainLeaf(value);
  const wanted = builder.wanted.get(t);
  const ready = leaf !== undefined && isContiguous(value.shape, leaf);
  if (ready && (wanted === undefined || sameMemory(builder, leaf.buffer, wanted))) {
    return leaf.buffer;
  }
  const target = resultBuffer(builder, t);
  emitStore(builder, value, target);
  builder.values.set(t, bufferValue(target, t.shape, value.type));
  return target;
}
