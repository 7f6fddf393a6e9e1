/**
 * Stored matrices into packed ones, some rows at a time: what is being worked on stays in the
 * processor's cache, and memory for it is taken once.
 *
 * @module
 */
import { BLOCK_FORMAT } from "../core/block_format.ts";
import type { PackedType } from "../core/dtype.ts";
import { packBlocksInto, packMatrixInto } from "../core/pack.ts";
import { packedBytes, PANEL_ROWS } from "../core/packed.ts";
import { requantiseBlocks } from "../core/requantise.ts";
import type { TensorSink } from "../core/tensor_sink.ts";
import type { Bytes } from "./bytes.ts";
import type { ModelTensor } from "./model_file.ts";
import { formatBytes, TENSOR_FORMATS, type TensorFormat } from "./quantization.ts";
import type { Scratch } from "./scratch.ts";

/** Bytes of a part, stored or packed, whichever are more. */
const PART_BYTES = 1 << 20;

/** The stored formats whose blocks a packed type takes over as they are. */
const SAME_BLOCKS: { readonly [type in PackedType]: TensorFormat } = {
  packed_f32: "F32",
  packed_f16: "F16",
  packed_q8_0: "Q8_0",
  packed_q4_0: "Q4_0",
  packed_q4_1: "Q4_1",
  integer_q8_0: "Q8_0",
  integer_q4_0: "Q4_0",
  integer_q4_1: "Q4_1",
};

/** Some rows as they are stored. */
interface StoredRows {
  readonly format: TensorFormat;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Bytes;
}

function unitsOf({ buffer, byteOffset, length }: Bytes): Uint16Array {
  return new Uint16Array(buffer, byteOffset, length / 2);
}

/** 4-bit blocks as 8-bit blocks. */
function eightBitBlocks({ format, bytes }: StoredRows, scratch: Scratch): Bytes | undefined {
  if (format !== "Q4_0" && format !== "Q4_1") return undefined;
  const blocks = bytes.length / TENSOR_FORMATS[format].blockBytes;
  const length = blocks * BLOCK_FORMAT.packed_q8_0.bytes;
  const result = scratch.bytes("blocks", length).subarray(0, length);
  const type = format === "Q4_0" ? "packed_q4_0" : "packed_q4_1";
  requantiseBlocks(
    type,
    unitsOf(bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()),
    unitsOf(result),
  );
  return result;
}

/** Packs rows by the shortest way that gives the bits of decoding and packing the values. */
function pack(stored: StoredRows, type: PackedType, packed: Uint8Array, scratch: Scratch): void {
  const { format, rows, columns, bytes } = stored;
  const blocks = SAME_BLOCKS[type] === format
    ? bytes
    : SAME_BLOCKS[type] === "Q8_0"
    ? eightBitBlocks(stored, scratch)
    : undefined;
  if (blocks !== undefined) return packBlocksInto(type, rows, columns, blocks, packed);
  const count = rows * columns;
  const values = new Float32Array(scratch.bytes("values", 4 * count).buffer, 0, count);
  TENSOR_FORMATS[format].dequantize(bytes, values);
  packMatrixInto(type, rows, columns, values, packed);
}

/**
 * Reads a stored matrix and hands it to a sink in a packed type, part by part.
 *
 * @throws OutriderError where it is damaged, or its values do not fit the type
 */
export async function packRows<Leaf>(
  tensor: ModelTensor,
  type: PackedType,
  sink: TensorSink<Leaf>,
  scratch: Scratch,
  partBytes: number = PART_BYTES,
): Promise<Leaf> {
  const { format, shape: [rows, columns] } = tensor;
  const rowBytes = formatBytes(format, columns);
  const panelBytes = packedBytes(type, PANEL_ROWS, columns);
  const panels = Math.floor(partBytes / Math.max(1, panelBytes, PANEL_ROWS * rowBytes));
  const step = PANEL_ROWS * Math.max(1, panels);
  const parts = sink.begin(type, tensor.shape, packedBytes(type, rows, columns));
  try {
    for (let first = 0; first < rows; first += step) {
      const count = Math.min(step, rows - first);
      const file = scratch.bytes("file", count * rowBytes);
      const bytes = await tensor.readRows(first, count, file);
      const length = packedBytes(type, count, columns);
      const packed = scratch.bytes("packed", length).subarray(0, length);
      pack({ format, rows: count, columns, bytes }, type, packed, scratch);
      parts.write(packed, first / PANEL_ROWS * panelBytes);
    }
  } catch (error) {
    parts.abandon();
    throw error;
  }
  return parts.end();
}
