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
import type { PackSpec } from "./pack_spec.ts";
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
  /** Names the kind of kernel. */
  readonly family: "map";
  /** Sizes of the axes walked. */
  readonly shape: readonly number[];
  /** How each input is walked. */
  readonly inputs: readonly Access[];
  /** How the output is walked. */
  readonly output: Access;
  /** What is computed per element; the last instruction is the result. */
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
  /** Names the kind of kernel. */
  readonly family: "reduce";
  /** Sizes of the axes walked, kept ones first. */
  readonly shape: readonly number[];
  /** How many of the last axes are reduced. */
  readonly reduced: number;
  /** How each input is walked. */
  readonly inputs: readonly Access[];
  /** How the output is walked, over the kept axes. */
  readonly output: Access;
  /** What is computed per element before it is combined. */
  readonly body: readonly Instruction[];
  /** How elements are combined. */
  readonly combine: Combine;
}

/** Element strides of one matmul operand: over the batch, its rows and its columns. */
export interface MatrixAccess {
  /** The first element. */
  readonly offset: number;
  /** Elements from one matrix of the batch to the next. */
  readonly batchStride: number;
  /** Elements from one row to the next. */
  readonly rowStride: number;
  /** Elements from one column to the next. */
  readonly columnStride: number;
}

/**
 * out[b, m, n] = sum over k of left[b, m, k] * right[b, k, n], f32, out contiguous.
 * Every output element accumulates k = 0, 1, 2, ... in this order in one chain (row independence).
 * Arguments: left, right, output.
 */
export interface MatmulSpec {
  /** Names the kind of kernel. */
  readonly family: "matmul";
  /** Number of products. */
  readonly batch: number;
  /** Rows of the left operand and of the output. */
  readonly m: number;
  /** Columns of the right operand and of the output. */
  readonly n: number;
  /** Length of the sums. */
  readonly k: number;
  /** How the left operand is walked. */
  readonly left: MatrixAccess;
  /** How the right operand is walked. */
  readonly right: MatrixAccess;
}

/**
 * out[m, n] = sum over k of x[m, k] * w[n, k] with w packed; x and out contiguous f32.
 * The order of accumulation is that of {@link MatmulSpec}; with integer weights, x is given as
 * {@link QuantizeSpec} wrote it and the order is that of the blocks. Arguments: x, w, output.
 */
export interface PackedMatmulSpec {
  /** Names the kind of kernel. */
  readonly family: "packedMatmul";
  /** The packed layout of w. */
  readonly weights: PackedType;
  /** Rows of x and of the output. */
  readonly m: number;
  /** Rows of w, columns of the output. */
  readonly n: number;
  /** Columns of x and of w: the length of the sums. */
  readonly k: number;
}

/**
 * out = the rows x [m, k] in the quantised form of `core/quantized_rows.ts`, which is what products
 * with integer weights read. Arguments: x, output (bytes).
 */
export interface QuantizeSpec {
  /** Which kernel family. */
  readonly family: "quantize";
  /** Rows. */
  readonly m: number;
  /** Columns, a multiple of 32. */
  readonly k: number;
}

/** out[n, k] = the f32 value of the packed matrix w. Arguments: w, output. */
export interface DequantizeSpec {
  /** Names the kind of kernel. */
  readonly family: "dequantize";
  /** The packed layout of w. */
  readonly weights: PackedType;
  /** Rows of w. */
  readonly n: number;
  /** Columns of w. */
  readonly k: number;
}

/**
 * out[r, :] = table[indices[r], :], or zeros where the index is outside 0..tableRows-1.
 * Arguments: table, indices (i32), output.
 */
export interface GatherSpec {
  /** Names the kind of kernel. */
  readonly family: "gather";
  /** Element type or packed layout of the table. */
  readonly table: DType | PackedType;
  /** Rows of the table. */
  readonly tableRows: number;
  /** Number of indices, and rows of the output. */
  readonly rows: number;
  /** Elements of a row. */
  readonly width: number;
}

/**
 * In place on the table: table[indices[r], :] (= or +=) updates[r, :] for r = 0, 1, 2, ... in
 * order; rows whose index is outside 0..tableRows-1 are dropped.
 * Arguments: indices (i32), updates, table (read and written).
 */
export interface ScatterSpec {
  /** Names the kind of kernel. */
  readonly family: "scatter";
  /** Whether updates are added to rows or replace them. */
  readonly mode: "add" | "set";
  /** Element type of table and updates. */
  readonly type: DType;
  /** Rows of the table. */
  readonly tableRows: number;
  /** Number of indices, and rows of the updates. */
  readonly rows: number;
  /** Elements of a row. */
  readonly width: number;
}

/** How keys and values are stored. */
export type AttentionStorage = "f32" | "f16";

/**
 * Attention of rows over cache slots, all contiguous, and f32 but for stored keys and values.
 *
 * Row r sees n_r = (end[r] - start[r], at least 0) + (number of entries >= 0 in extra[r, :])
 * slots, in this order: start[r], ..., end[r]-1, then the entries of extra[r, :] that are >= 0.
 * With head h of `heads` reading key/value head floor(h / (heads / keyValueHeads)):
 *   s_i = scale * sum_d query[r, h, d] * key[slot_i, g, d]
 *   out[r, h, :] = sum_i softmax(s)_i * value[slot_i, g, :], and zeros where n_r = 0.
 * Slots lie within 0..slots-1. The order of every accumulation depends on i and n_r only: by parts of
 * `ATTENTION_PART` entries with an online softmax (Milakov and Gimelshein, arXiv 1805.02867).
 * With f16 storage headWidth is a multiple of 8, and halves are read by the rule of `storedHalf`.
 * Arguments: query [rows, heads, headWidth], key and value [slots, keyValueHeads, headWidth],
 * start [rows], end [rows], (extra [rows, extras] where extras > 0), output.
 */
export interface AttentionSpec {
  /** Names the kind of kernel. */
  readonly family: "attention";
  /** Query rows. */
  readonly rows: number;
  /** Slots of keys and values. */
  readonly slots: number;
  /** Query heads. */
  readonly heads: number;
  /** Key/value heads; a divisor of `heads`. */
  readonly keyValueHeads: number;
  /** Elements of a head. */
  readonly headWidth: number;
  /** Further slots listed per row; 0 for none. */
  readonly extras: number;
  /** Factor on the scores. */
  readonly scale: number;
  /** How keys and values are stored: f32, or two in a word as `core/half_layout.ts` has them. */
  readonly storage: AttentionStorage;
}

/**
 * Attention over each part of every row's entries, for {@link AttentionJoinSpec} to join: what few
 * rows over many slots share out among threads (Flash-Decoding, Dao et al. 2023).
 * Part p of row r has the entries `ATTENTION_PART` * p on. With m = max_i s_i over the part, the
 * output [parts, rows, heads, record] has e^(s_i - m) weighted sums of the values, m four times and
 * sum_i e^(s_i - m) four times; a record is headWidth rounded up to 4, and 8. Parts behind n_r +
 * extras are left as they are.
 * Arguments: as attention's.
 */
export interface AttentionPartsSpec extends Omit<AttentionSpec, "family"> {
  /** Names the kind of kernel. */
  readonly family: "attentionParts";
}

/**
 * Attention from its parts. Arguments: the output of {@link AttentionPartsSpec}, start [rows], end
 * [rows], (extra [rows, extras] where extras > 0), output [rows, heads, headWidth].
 */
export interface AttentionJoinSpec extends Omit<AttentionSpec, "family"> {
  /** Names the kind of kernel. */
  readonly family: "attentionJoin";
}

/** Which operand of attention a gradient is taken for. */
export type AttentionOperand = "query" | "key" | "value";

/**
 * The gradient of {@link AttentionSpec} for one operand, given dOut [rows, heads, headWidth].
 * With P = softmax(s), dP_i = dOut . value_i and dS = P * (dP - sum_j P_j dP_j):
 *   query: scale * sum_i dS_i key_i      key: scale * sum_{r,h} dS query      value: sum P dOut
 * Arguments: as attention's inputs, then dOut, then output (shaped like the operand; for `all` the
 * gradients for query, key and value one after another).
 */
export interface AttentionGradSpec extends Omit<AttentionSpec, "family"> {
  /** Names the kind of kernel. */
  readonly family: "attentionGrad";
  /** The operand that the gradient is taken for; `all` for the three together. */
  readonly operand: AttentionOperand | "all";
}

/** Every kernel that a backend must be able to generate. */
export type KernelSpec =
  | MapSpec
  | ReduceSpec
  | MatmulSpec
  | PackedMatmulSpec
  | QuantizeSpec
  | DequantizeSpec
  | PackSpec
  | GatherSpec
  | ScatterSpec
  | AttentionSpec
  | AttentionPartsSpec
  | AttentionJoinSpec
  | AttentionGradSpec;

/** The name of a kernel family. */
export type KernelFamily = KernelSpec["family"];

/** The cache key of a spec. */
export function specKey(spec: KernelSpec): string {
  return stableJson(spec);
}
