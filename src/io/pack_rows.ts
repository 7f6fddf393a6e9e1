/**
 * Stored matrices into packed ones, some rows at a time: what is being worked on stays in the
 * processor's cache, and memory for it is taken once. A sink that packs does it, with what threads
 * it has; the rest is packed here.
 *
 * @module
 */
import { BLOCK_FORMAT } from "../core/block_format.ts";
import type { PackedType } from "../core/dtype.ts";
import { packBlocksInto, packMatrixInto } from "../core/pack.ts";
import { OutriderError } from "../core/errors.ts";
import { BLOCK_COLUMNS, packedBytes, PANEL_ROWS } from "../core/packed.ts";
import { requantiseBlocks } from "../core/requantise.ts";
import { isStoredFormat, SAME_FORMAT } from "../core/stored_rows.ts";
import type { TensorParts, TensorSink } from "../core/tensor_sink.ts";
import type { Bytes } from "./bytes.ts";
import type { ModelTensor } from "./model_file.ts";
import { formatBytes, TENSOR_FORMATS, type TensorFormat } from "./quantization.ts";
import type { Scratch } from "./scratch.ts";

/** Bytes of a part, stored or packed, whichever are more. */
const PART_BYTES = 1 << 20;

/** Some rows as they are stored. */
interface Rows {
  readonly format: TensorFormat;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Bytes;
}

function unitsOf({ buffer, byteOffset, length }: Bytes): Uint16Array {
  return new Uint16Array(buffer, byteOffset, length / 2);
}

/** 4-bit blocks as 8-bit blocks. */
function eightBitBlocks({ format, bytes }: Rows, scratch: Scratch): Bytes | undefined {
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

/** The values of rows. */
function decode({ format, rows, columns, bytes }: Rows, scratch: Scratch): Float32Array {
  const count = rows * columns;
  const values = new Float32Array(scratch.bytes("values", 4 * count).buffer, 0, count);
  TENSOR_FORMATS[format].dequantize(bytes, values);
  return values;
}

/** Packs rows by the shortest way that gives the bits of decoding and packing the values. */
function pack(stored: Rows, type: PackedType, packed: Uint8Array, scratch: Scratch): void {
  const { format, rows, columns, bytes } = stored;
  const blocks = SAME_FORMAT[type] === format
    ? bytes
    : SAME_FORMAT[type] === "Q8_0"
    ? eightBitBlocks(stored, scratch)
    : undefined;
  if (blocks !== undefined) return packBlocksInto(type, rows, columns, blocks, packed);
  packMatrixInto(type, rows, columns, decode(stored, scratch), packed);
}

/** A matrix on its way from its file to where it is packed. */
interface Way {
  readonly tensor: ModelTensor;
  readonly type: PackedType;
  readonly parts: Omit<TensorParts<unknown>, "end">;
  readonly scratch: Scratch;
}

/** The error of a matrix that cannot be packed, by its name. */
function named(error: unknown, name: string): unknown {
  if (!(error instanceof OutriderError)) return error;
  return new OutriderError(`${error.expected} in ${name}`, error.found, error.cure);
}

async function packHere(way: Way, first: number, count: number): Promise<void> {
  const { tensor: { name, format, shape: [, columns], readRows }, type, parts, scratch } = way;
  const file = scratch.bytes("file", count * formatBytes(format, columns));
  const bytes = await readRows(first, count, file);
  const length = packedBytes(type, count, columns);
  const packed = scratch.bytes("packed", length).subarray(0, length);
  try {
    pack({ format, rows: count, columns, bytes }, type, packed, scratch);
  } catch (error) {
    throw named(error, name);
  }
  parts.write(packed, first / PANEL_ROWS * packedBytes(type, PANEL_ROWS, columns));
}

/** Has the sink pack as many of the rows as it can; gives their number. */
async function packThere(way: Way, first: number, count: number): Promise<number> {
  const { tensor: { format, shape: [, columns], readRowsUnchecked }, parts, scratch } = way;
  const rows = count - count % PANEL_ROWS;
  if (parts.pack === undefined || columns % BLOCK_COLUMNS !== 0 || rows === 0) return 0;
  const file = scratch.bytes("file", rows * formatBytes(format, columns));
  const bytes = await readRowsUnchecked(first, rows, file);
  const place = { first, rows, columns };
  if (isStoredFormat(format)) {
    return parts.pack({ ...place, format, bytes }) === "packed" ? rows : 0;
  }
  const { buffer, byteLength } = decode({ format, rows, columns, bytes }, scratch);
  const values = new Uint8Array(buffer, 0, byteLength);
  return parts.pack({ ...place, format: "F32", bytes: values }) === "packed" ? rows : 0;
}

/** Bytes of one panel's rows, in the form in which there are most of them here. */
function largestPanel({ tensor: { format, shape: [, columns] }, type, parts }: Way): number {
  const stored = PANEL_ROWS * formatBytes(format, columns);
  if (parts.pack === undefined) return Math.max(stored, packedBytes(type, PANEL_ROWS, columns));
  return isStoredFormat(format) ? stored : 4 * PANEL_ROWS * columns;
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
  const { shape: [rows, columns] } = tensor;
  const parts = sink.begin(type, tensor.shape, packedBytes(type, rows, columns));
  try {
    const way = { tensor, type, parts, scratch };
    const panels = Math.floor(partBytes / Math.max(1, largestPanel(way)));
    const step = PANEL_ROWS * Math.max(1, panels);
    for (let first = 0; first < rows; first += step) {
      const count = Math.min(step, rows - first);
      // What the sink refuses is packed here, and where that is impossible the error says why.
      const done = await packThere(way, first, count);
      if (done < count) await packHere(way, first + done, count - done);
    }
  } catch (error) {
    parts.abandon();
    throw error;
  }
  return parts.end();
}
