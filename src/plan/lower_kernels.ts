/**
 * Lowering of the operations that are kernels of their own.
 *
 * @module
 */
import { isInteger, isPacked } from "../core/dtype.ts";
import { quantizedBytes } from "../core/quantized_rows.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  addBuffer,
  type Builder,
  computedType,
  emit,
  emitStore,
  kernelBody,
  materialize,
  resultBuffer,
  valueOf,
} from "./builder.ts";
import type { Combine, MatrixAccess } from "./kernel_spec.ts";
import {
  bufferValue,
  constantValue,
  type Leaf,
  permuteValue,
  plainLeaf,
  reshapedStrides,
  type Value,
} from "./value.ts";

const EMPTY: { readonly [combine in Combine]: number } = { sum: 0, max: -Infinity, argmax: 0 };

/** A reduction over axes that stay with size 1; the operand's body is fused in. */
export function lowerReduction(
  builder: Builder,
  t: Tensor,
  axes: readonly number[],
  combine: Combine,
): Value {
  const value = valueOf(builder, t.inputs[0]);
  const target = resultBuffer(builder, t);
  const type = computedType(t);
  const result = bufferValue(target, t.shape, type);
  if (sizeOf(t.shape) === 0) return result;
  if (sizeOf(value.shape) === 0) {
    emitStore(builder, constantValue(EMPTY[combine], t.shape, type), target);
    return result;
  }
  const kept = t.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const moved = permuteValue(value, [...kept, ...axes]);
  const { inputs, buffers, body } = kernelBody(moved);
  const strides = kept.map((axis) => result.leaves[0].strides[axis]);
  const output = { type, strides, offset: 0 };
  const spec = { shape: moved.shape, reduced: axes.length, inputs, output, body, combine };
  emit(builder, { family: "reduce", ...spec }, [...buffers, target]);
  return result;
}

/** The packed matrix behind transpose(dequantize(w)), or behind dequantize(w). */
function packedBehind(t: Tensor, wanted: "dequantize" | "permute"): Tensor | undefined {
  if (t.op.name !== wanted) return undefined;
  const [inner] = t.inputs;
  return wanted === "dequantize" ? inner : packedBehind(inner, "dequantize");
}

/** Strides of an operand over one batch axis, its rows and its columns. */
function matrixAccess(leaf: Leaf, shape: Shape): MatrixAccess | undefined {
  const [rows, columns] = shape.slice(-2);
  const batch = sizeOf(shape.slice(0, -2));
  const strides = reshapedStrides(shape, leaf.strides, [batch, rows, columns]);
  if (strides === undefined) return undefined;
  const [batchStride, rowStride, columnStride] = strides;
  return { offset: leaf.offset, batchStride, rowStride, columnStride };
}

interface Operand {
  readonly buffer: number;
  readonly access: MatrixAccess;
}

function matrixOperand(builder: Builder, t: Tensor): Operand {
  const leaf = plainLeaf(valueOf(builder, t));
  const direct = leaf === undefined ? undefined : matrixAccess(leaf, t.shape);
  if (leaf !== undefined && direct !== undefined) return { buffer: leaf.buffer, access: direct };
  const buffer = materialize(builder, t);
  const [rows, columns] = t.shape.slice(-2);
  const access = { offset: 0, batchStride: rows * columns, rowStride: columns, columnStride: 1 };
  return { buffer, access };
}

/** The rows x [m, k] quantised, once for all products that read them. */
function quantizedRows(builder: Builder, x: Tensor): number {
  const known = builder.quantized.get(x);
  if (known !== undefined) return known;
  const [m, k] = x.shape;
  const source = materialize(builder, x);
  const target = addBuffer(builder, { home: "temporary", bytes: quantizedBytes(m, k) });
  emit(builder, { family: "quantize", m, k }, [source, target]);
  builder.quantized.set(x, target);
  return target;
}

/** A product; with a packed right operand it streams the packed matrix. */
export function lowerMatmul(builder: Builder, t: Tensor): Value {
  const [a, b] = t.inputs;
  const [m, n] = t.shape.slice(-2);
  const k = a.shape[a.shape.length - 1];
  const target = resultBuffer(builder, t);
  const result = bufferValue(target, t.shape, "f32");
  if (sizeOf(t.shape) === 0) return result;
  if (k === 0) {
    emitStore(builder, constantValue(0, t.shape, "f32"), target);
    return result;
  }
  const packed = packedBehind(b, "permute");
  if (packed !== undefined && isPacked(packed.type)) {
    const weight = builder.inputs.get(packed) ?? -1;
    const x = isInteger(packed.type) ? quantizedRows(builder, a) : materialize(builder, a);
    emit(builder, { family: "packedMatmul", weights: packed.type, m, n, k }, [x, weight, target]);
    return result;
  }
  const left = matrixOperand(builder, a);
  const right = matrixOperand(builder, b);
  const batch = sizeOf(t.shape.slice(0, -2));
  emit(
    builder,
    { family: "matmul", batch, m, n, k, left: left.access, right: right.access },
    [left.buffer, right.buffer, target],
  );
  return result;
}

/** Stores the f32 matrix only where some user cannot read the packed one. */
export function lowerDequantize(builder: Builder, t: Tensor): Value | undefined {
  if (builder.readPacked.has(t)) return undefined;
  const [packed] = t.inputs;
  if (!isPacked(packed.type)) return undefined;
  const target = resultBuffer(builder, t);
  const [n, k] = t.shape;
  emit(builder, { family: "dequantize", weights: packed.type, n, k }, [
    builder.inputs.get(packed) ?? -1,
    target,
  ]);
  return bufferValue(target, t.shape, "f32");
}

/** A table lookup; a packed table is read where it lies. */
export function lowerGather(builder: Builder, t: Tensor): Value {
  const [table, indices] = t.inputs;
  const packed = packedBehind(table, "dequantize");
  const direct = packed !== undefined && isPacked(packed.type);
  const tableBuffer = direct ? builder.inputs.get(packed) ?? -1 : materialize(builder, table);
  const index = materialize(builder, indices);
  const target = resultBuffer(builder, t);
  const type = computedType(t);
  const result = bufferValue(target, t.shape, type);
  if (sizeOf(t.shape) === 0) return result;
  const [rows, width] = t.shape;
  const tableType = direct && isPacked(packed.type) ? packed.type : computedType(table);
  emit(
    builder,
    { family: "gather", table: tableType, tableRows: table.shape[0], rows, width },
    [tableBuffer, index, target],
  );
  return result;
}

/**
 * A buffer that holds the table's value and may be written: the table's own where nobody else reads
 * it, else a copy. Copying a donated table onto itself is dropped once its donation is settled.
 */
function writableTable(builder: Builder, t: Tensor): number {
  const [table] = t.inputs;
  const value = valueOf(builder, table);
  const leaf = plainLeaf(value);
  const target = builder.wanted.get(t);
  if (target !== undefined) {
    emitStore(builder, value, target);
    return target;
  }
  const own = leaf !== undefined && builder.buffers[leaf.buffer].home === "temporary" &&
    builder.uses.get(table) === 1 && table.op.name === "scatter";
  if (own) return leaf.buffer;
  const made = addBuffer(builder, { home: "temporary", bytes: sizeOf(t.shape) * 4 });
  emitStore(builder, value, made);
  return made;
}

/** A table with rows replaced or added to. */
export function lowerScatter(builder: Builder, t: Tensor, mode: "add" | "set"): Value {
  const [, indices, updates] = t.inputs;
  const index = materialize(builder, indices);
  const update = materialize(builder, updates);
  const target = writableTable(builder, t);
  const type = computedType(t);
  const [tableRows, width] = t.shape;
  const rows = indices.shape[0];
  if (rows > 0 && width > 0) {
    emit(builder, { family: "scatter", mode, type, tableRows, rows, width }, [
      index,
      update,
      target,
    ]);
  }
  return bufferValue(target, t.shape, type);
}
