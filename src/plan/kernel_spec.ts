/**
 * Kernel specs: the typed, immutable descriptions from which every backend generates its kernels.
 *
 * A spec holds shapes and strides as constants and says nothing about a device. Two equal specs
 * are the same kernel, so the JSON text of a spec is its cache key.
 *
 * @module
 */
import type { DType, PackedType } from "../core/dtype.ts";
import type { BinaryName, UnaryName } from "../core/elementwise.ts";
import { stableJson } from "./stable_json.ts";

/** How a kernel walks one buffer: element strides over the spec's `shape`, and a start element. */
export interface Access {
  /** The element type in the buffer. */
  readonly type: DType;
  /** Elements to advance per step along each axis; 0 repeats (broadcast). */
  readonly strides: readonly number[];
  /** The first element. */
  readonly offset: number;
}

/** One step of an elementwise body in SSA form; `args` are indices of earlier instructions. */
export type Instruction =
  | { readonly op: "load"; readonly access: number; readonly type: DType }
  | { readonly op: "constant"; readonly value: number; readonly type: DType }
  | { readonly op: "iota"; readonly axis: number; readonly type: "i32" }
  | { readonly op: UnaryName; readonly args: readonly [number]; readonly type: DType }
  | { readonly op: BinaryName; readonly args: readonly [number, number]; readonly type: DType }
  | { readonly op: "where"; readonly args: readonly [number, number, number]; readonly type: DType }
  | { readonly op: "cast"; readonly args: readonly [number]; readonly type: DType };

/** out[i] = body(inputs[i]) for every index i of `shape`. Arguments: inputs..., output. */
export interface MapSpec {
  readonly family: "map";
  readonly shape: readonly number[];
  readonly inputs: readonly Access[];
  readonly output: Access;
  readonly body: readonly Instruction[];
}

/** How a reduction combines values; `argmax` gives the i32 index of the first largest value. */
export type Combine = "sum" | "max" | "argmax";

/**
 * out[o] = combine over r of body(inputs[o, r]); the last `reduced` axes of `shape` are r.
 * The output's strides cover the leading axes only. Arguments: inputs..., output.
 * The empty sum is 0 and the empty max -Infinity. `argmax` has exactly one reduced axis.
 */
export interface ReduceSpec {
  readonly family: "reduce";
  readonly shape: readonly number[];
  readonly reduced: number;
  readonly inputs: readonly Access[];
  readonly output: Access;
  readonly body: readonly Instruction[];
  readonly combine: Combine;
}

/** Element strides of one matmul operand: over the batch, its rows and its columns. */
export interface MatrixAccess {
  readonly offset: number;
  readonly batchStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/**
 * out[b, m, n] = sum over k of left[b, m, k] * right[b, k, n], f32, out contiguous.
 * Every output element accumulates k = 0, 1, 2, ... in this order in one chain (row independence).
 * Arguments: left, right, output.
 */
export interface MatmulSpec {
  readonly family: "matmul";
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly left: MatrixAccess;
  readonly right: MatrixAccess;
}

/**
 * out[m, n] = sum over k of x[m, k] * w[n, k] with w packed; x and out contiguous f32.
 * The order of accumulation is that of {@link MatmulSpec}. Arguments: x, w, output.
 */
export interface PackedMatmulSpec {
  readonly family: "packedMatmul";
  readonly weights: PackedType;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** out[n, k] = the f32 value of the packed matrix w. Arguments: w, output. */
export interface DequantizeSpec {
  readonly family: "dequantize";
  readonly weights: PackedType;
  readonly n: number;
  readonly k: number;
}

/**
 * out[r, :] = table[indices[r], :], or zeros where the index is outside 0..tableRows-1.
 * Arguments: table, indices (i32), output.
 */
export interface GatherSpec {
  readonly family: "gather";
  readonly table: DType | PackedType;
  readonly tableRows: number;
  readonly rows: number;
  readonly width: number;
}

/**
 * In place on the table: table[indices[r], :] (= or +=) updates[r, :] for r = 0, 1, 2, ... in
 * order; rows whose index is outside 0..tableRows-1 are dropped.
 * Arguments: indices (i32), updates, table (read and written).
 */
export interface ScatterSpec {
  readonly family: "scatter";
  readonly mode: "add" | "set";
  readonly type: DType;
  readonly tableRows: number;
  readonly rows: number;
  readonly width: number;
}

/**
 * Attention of rows over cache slots, all f32 and contiguous.
 *
 * Row r sees n_r = (end[r] - start[r], at least 0) + (number of entries >= 0 in extra[r, :])
 * slots, in this order: start[r], ..., end[r]-1, then the entries of extra[r, :] that are >= 0.
 * With head h of `heads` reading key/value head floor(h / (heads / keyValueHeads)):
 *   s_i = scale * sum_d query[r, h, d] * key[slot_i, g, d]
 *   out[r, h, :] = sum_i softmax(s)_i * value[slot_i, g, :], and zeros where n_r = 0.
 * Slots lie within 0..slots-1. The order of every accumulation depends on i and n_r only.
 * Arguments: query [rows, heads, headWidth], key and value [slots, keyValueHeads, headWidth],
 * start [rows], end [rows], (extra [rows, extras] where extras > 0), output.
 */
export interface AttentionSpec {
  readonly family: "attention";
  readonly rows: number;
  readonly slots: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headWidth: number;
  readonly extras: number;
  readonly scale: number;
}

/** Which operand of attention a gradient is taken for. */
export type AttentionOperand = "query" | "key" | "value";

/**
 * The gradient of {@link AttentionSpec} for one operand, given dOut [rows, heads, headWidth].
 * With P = softmax(s), dP_i = dOut . value_i and dS = P * (dP - sum_j P_j dP_j):
 *   query: scale * sum_i dS_i key_i      key: scale * sum_{r,h} dS query      value: sum P dOut
 * Arguments: as attention's inputs, then dOut, then output (shaped like the operand).
 */
export interface AttentionGradSpec extends Omit<AttentionSpec, "family"> {
  readonly family: "attentionGrad";
  readonly operand: AttentionOperand;
}

/** Every kernel that a backend must be able to generate. */
export type KernelSpec =
  | MapSpec
  | ReduceSpec
  | MatmulSpec
  | PackedMatmulSpec
  | DequantizeSpec
  | GatherSpec
  | ScatterSpec
  | AttentionSpec
  | AttentionGradSpec;

/** The name of a kernel family. */
export type KernelFamily = KernelSpec["family"];

/** The cache key of a spec. */
export function specKey(spec: KernelSpec): string {
  return stableJson(spec);
}
