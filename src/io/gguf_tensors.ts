/**
 * Reads and checks the tensor list of a GGUF file.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { GgufTensor } from "./gguf_types.ts";
import { readString } from "./gguf_values.ts";
import { TENSOR_FORMAT_NAMES, TENSOR_FORMATS, type TensorFormat } from "./quantization.ts";
import { listText, quote } from "./quote.ts";
import type { SequentialReader } from "./sequential_reader.ts";

const MOST_DIMENSIONS = 4;

const CURE = "the file is damaged; get it again";

const FORMATS_BY_ID: ReadonlyMap<number, TensorFormat> = new Map(
  TENSOR_FORMAT_NAMES.map((format) => [TENSOR_FORMATS[format].ggufType, format]),
);

/** A tensor as listed: its offset still counts from the start of the data. */
type ListedTensor = Omit<GgufTensor, "offset"> & { readonly dataOffset: bigint };

/** The shape, outermost dimension first, once the product is known to fit in the file. */
function checkedShape(
  dimensions: readonly bigint[],
  format: TensorFormat,
  fileBytes: number,
  what: string,
): { shape: number[]; byteLength: number } {
  const { blockSize, blockBytes } = TENSOR_FORMATS[format];
  const count = dimensions.reduce((a, b) => a * b, 1n);
  const byteLength = count / BigInt(blockSize) * BigInt(blockBytes);
  if (count === 0n || byteLength > BigInt(fileBytes)) {
    throw new OutriderError(
      `dimensions of ${what} that fit in the ${fileBytes} bytes of the file`,
      listText(dimensions),
      CURE,
    );
  }
  if (dimensions[0] % BigInt(blockSize) !== 0n) {
    throw new OutriderError(
      `a first dimension of ${what} (${format}) that is a multiple of ${blockSize}`,
      String(dimensions[0]),
      CURE,
    );
  }
  return { shape: dimensions.map(Number).reverse(), byteLength: Number(byteLength) };
}

async function readDimensions(reader: SequentialReader, what: string): Promise<bigint[]> {
  await reader.need(4, what);
  const rank = reader.uint32();
  if (rank < 1 || rank > MOST_DIMENSIONS) {
    throw new OutriderError(`1 to ${MOST_DIMENSIONS} dimensions of ${what}`, String(rank), CURE);
  }
  await reader.need(8 * rank + 12, what);
  return Array.from({ length: rank }, () => reader.uint64());
}

async function readTensorInfo(
  reader: SequentialReader,
  index: number,
  fileBytes: number,
): Promise<ListedTensor> {
  const name = await readString(reader, `the name of tensor ${index}`);
  const what = `tensor ${quote(name)}`;
  const dimensions = await readDimensions(reader, what);
  const id = reader.uint32();
  const type = FORMATS_BY_ID.get(id);
  if (type === undefined) {
    throw new OutriderError(
      `a format of ${what} among ${TENSOR_FORMAT_NAMES.join(", ")}`,
      `type number ${id}`,
      "use the model in one of these formats",
    );
  }
  const dataOffset = reader.uint64();
  return { name, type, dataOffset, ...checkedShape(dimensions, type, fileBytes, what) };
}

function checkOverlaps(tensors: readonly GgufTensor[]): void {
  const sorted = tensors.toSorted((a, b) => a.offset - b.offset);
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1];
    if (before.offset + before.byteLength <= sorted[i].offset) continue;
    throw new OutriderError(
      "tensors that do not overlap",
      `${quote(sorted[i].name)} beginning inside ${quote(before.name)}`,
      CURE,
    );
  }
}

/** Reads `count` tensor entries and checks names, formats, dimensions, alignment and ranges. */
export async function readTensorInfos(
  reader: SequentialReader,
  count: number,
  alignment: number,
): Promise<GgufTensor[]> {
  const fileBytes = reader.position() + reader.remaining();
  const listed = new Map<string, ListedTensor>();
  for (let i = 0; i < count; i++) {
    const tensor = await readTensorInfo(reader, i, fileBytes);
    if (listed.has(tensor.name)) {
      throw new OutriderError(
        "tensor names that differ",
        `${quote(tensor.name)} a second time`,
        CURE,
      );
    }
    listed.set(tensor.name, tensor);
  }
  const dataStart = Math.ceil(reader.position() / alignment) * alignment;
  const tensors = Array.from(listed.values(), ({ dataOffset, ...tensor }): GgufTensor => {
    const most = fileBytes - dataStart - tensor.byteLength;
    if (dataOffset % BigInt(alignment) !== 0n || most < 0 || dataOffset > BigInt(most)) {
      throw new OutriderError(
        `an offset of tensor ${
          quote(tensor.name)
        } that is a multiple of ${alignment} within the file`,
        String(dataOffset),
        "the file is damaged or cut short; get it again",
      );
    }
    return { ...tensor, offset: dataStart + Number(dataOffset) };
  });
  checkOverlaps(tensors);
  return tensors;
}
