/**
 * Weights of draft files: how matrices are stored, and read again.
 *
 * A matrix in 8-bit blocks is a tensor U8 `[rows, bytes of a row]`: for every 32 columns a 16-bit
 * scale and 32 signed bytes, as Q8_0 of GGUF has them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { ByteSource } from "./bytes.ts";
import { DAMAGED } from "./draft_metadata.ts";
import { firstNonFiniteBlock } from "./finite_check.ts";
import type { StoredTensor } from "./model_file.ts";
import { formatBytes, quantize, TENSOR_FORMATS } from "./quantization.ts";
import { quote } from "./quote.ts";
import type { SafetensorsTensor, SafetensorsTensorData } from "./safetensors_types.ts";

/**
 * How a draft file stores matrices. With Q8_0, those whose rows are not whole blocks of 32 stay F32,
 * as they do where weights are packed to 8 bits: so the file loads to what its weights would.
 */
export type DraftFormat = "F32" | "F16" | "Q8_0";

/** The values of a weight by canonical name, row-major, as `weightReader` gives them. */
export type ReadWeight = (name: string) => Float32Array | Promise<Float32Array>;

/** A weight to be written. */
export interface DraftWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly format: DraftFormat;
}

/** The format of a matrix whose rows may be no whole blocks. */
export function fittingFormat(shape: readonly number[], format: DraftFormat): DraftFormat {
  const fits = shape.length === 2 && shape[1] % TENSOR_FORMATS[format].blockSize === 0;
  return fits ? format : "F32";
}

/**
 * The tensors of weights, one after another.
 *
 * @throws {OutriderError} when a weight has another size than its shape says or is not finite
 */
export async function encodeWeights(
  weights: Iterable<DraftWeight>,
  readWeight: ReadWeight,
): Promise<SafetensorsTensorData[]> {
  const tensors: SafetensorsTensorData[] = [];
  for (const weight of weights) tensors.push(encodeWeight(weight, await readWeight(weight.name)));
  return tensors;
}

function encodeWeight(
  { name, shape, format }: DraftWeight,
  values: Float32Array,
): SafetensorsTensorData {
  checkSize(name, shape, values.length);
  // Blocks of numbers that are not finite have no scale.
  const unstorable = format === "Q8_0" ? values.findIndex((value) => !Number.isFinite(value)) : -1;
  const bytes = unstorable < 0 ? quantize(format, values) : new Uint8Array();
  const bad = unstorable < 0 ? firstNonFiniteBlock(format, bytes) : unstorable;
  if (bad >= 0) {
    const expected = `finite numbers within ${format} in ${name}`;
    throw new OutriderError(expected, `${values[bad]}`, "store it as F32, or train it again");
  }
  if (format !== "Q8_0") return { name, shape, type: format, bytes };
  const [rows, columns] = shape;
  return { name, shape: [rows, formatBytes(format, columns)], type: "U8", bytes };
}

function checkSize(name: string, shape: readonly number[], found: number): void {
  const expected = shape.reduce((product, extent) => product * extent, 1);
  if (found === expected) return;
  throw new OutriderError(`${expected} values of ${name}`, `${found}`, "check the sizes");
}

/** The shape of the matrix that 8-bit blocks, `[rows, bytes of a row]`, stand for. */
function shapeOfBlocks({ name, shape }: SafetensorsTensor): readonly number[] {
  const { blockSize, blockBytes } = TENSOR_FORMATS.Q8_0;
  const [rows, bytes] = shape;
  if (shape.length === 2 && bytes % blockBytes === 0) return [rows, bytes / blockBytes * blockSize];
  throw new OutriderError(
    `rows of 8-bit blocks, of ${blockBytes} bytes each, in ${quote(name)}`,
    `a shape of ${shape.join(" by ")}`,
    DAMAGED,
  );
}

/** A tensor of a draft file, still in it, as one of a model's weights. */
export function storedWeight(source: ByteSource, tensor: SafetensorsTensor): StoredTensor {
  const { name, shape, type, offset } = tensor;
  const read: StoredTensor["read"] = (from, length, scratch) =>
    source.read(offset + from, length, scratch);
  if (type === "U8") return { name, shape: shapeOfBlocks(tensor), format: "Q8_0", read };
  if (type !== "I32") return { name, shape, format: type, read };
  throw new OutriderError(`floating-point weights in ${quote(name)}`, type, DAMAGED);
}
