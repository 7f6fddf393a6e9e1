/**
 * A writer of GGUF version 3: metadata and tensors in F32, F16, BF16, Q8_0, Q4_0 and Q4_1.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import type { Bytes } from "./bytes.ts";
import { alignmentOf } from "./gguf_reader.ts";
import {
  GGUF_MAGIC,
  GGUF_TYPES,
  type GgufArray,
  type GgufMetadata,
  type GgufScalarType,
  type GgufValue,
} from "./gguf_types.ts";
import {
  formatBytes,
  quantize,
  TENSOR_FORMATS,
  type TensorFormat,
  type WritableFormat,
} from "./quantization.ts";
import { listText, quote } from "./quote.ts";

/** A tensor to be written: its values already in their storage format. */
export interface GgufTensorData {
  /** Its name in the file. */
  readonly name: string;
  /** Outermost dimension first, `[rows, columns]`. */
  readonly shape: readonly number[];
  /** Storage format of `bytes`. */
  readonly type: TensorFormat;
  /** The stored bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What goes into a GGUF file. */
export interface GgufContent {
  /** Metadata by key; written in this order. */
  readonly metadata: GgufMetadata;
  /** Tensors in the order written. */
  readonly tensors: readonly GgufTensorData[];
}

const WRITTEN_VERSION = 3;

/**
 * Makes a tensor to be written out of f32 values.
 *
 * @throws {OutriderError} when the values do not fit the format; see {@link quantize}.
 * @example
 * ```ts
 * import { ggufTensor } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ggufTensor("w", [1, 32], "Q4_1", new Float32Array(32)).bytes.length, 20);
 * ```
 */
export function ggufTensor(
  name: string,
  shape: readonly number[],
  type: WritableFormat,
  values: Float32Array,
): GgufTensorData {
  return { name, shape, type, bytes: quantize(type, values) };
}

function integerBytes(size: 4 | 8, value: number): Bytes {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 4) view.setUint32(0, value, true);
  else view.setBigUint64(0, BigInt(value), true);
  return bytes;
}

function stringBytes(text: string): Bytes[] {
  const bytes = new TextEncoder().encode(text);
  return [integerBytes(8, bytes.length), bytes];
}

/** The elements of an array without its type and length; typed arrays are little endian here. */
function elementBytes(array: GgufArray): Bytes[] {
  if (array.elementType === "string") return array.value.flatMap(stringBytes);
  if (array.elementType === "bool") return [Uint8Array.from(array.value, Number)];
  const { buffer, byteOffset, byteLength } = array.value;
  return [new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength))];
}

/** A scalar as an array of one, so that both are encoded by one table. */
function asArray(value: Exclude<GgufValue, GgufArray>): GgufArray {
  const type = "array";
  switch (value.type) {
    case "string":
      return { type, elementType: "string", value: [value.value] };
    case "bool":
      return { type, elementType: "bool", value: [value.value] };
    case "uint64":
      return { type, elementType: "uint64", value: BigUint64Array.of(value.value) };
    case "int64":
      return { type, elementType: "int64", value: BigInt64Array.of(value.value) };
    case "uint8":
      return { type, elementType: "uint8", value: Uint8Array.of(value.value) };
    case "int8":
      return { type, elementType: "int8", value: Int8Array.of(value.value) };
    case "uint16":
      return { type, elementType: "uint16", value: Uint16Array.of(value.value) };
    case "int16":
      return { type, elementType: "int16", value: Int16Array.of(value.value) };
    case "uint32":
      return { type, elementType: "uint32", value: Uint32Array.of(value.value) };
    case "int32":
      return { type, elementType: "int32", value: Int32Array.of(value.value) };
    case "float32":
      return { type, elementType: "float32", value: Float32Array.of(value.value) };
    case "float64":
      return { type, elementType: "float64", value: Float64Array.of(value.value) };
  }
}

const typeBytes = (type: GgufScalarType | "array"): Bytes =>
  integerBytes(4, GGUF_TYPES.indexOf(type));

function valueBytes(value: GgufValue): Bytes[] {
  if (value.type !== "array") return [typeBytes(value.type), ...elementBytes(asArray(value))];
  return [
    typeBytes("array"),
    typeBytes(value.elementType),
    integerBytes(8, value.value.length),
    ...elementBytes(value),
  ];
}

function checkTensors(tensors: readonly GgufTensorData[]): void {
  const names = new Set<string>();
  for (const { name, shape, type, bytes } of tensors) {
    const expected = formatBytes(type, shape.reduce((a, b) => a * b, 1));
    formatBytes(type, shape.at(-1) ?? 1);
    const valid = shape.length >= 1 && shape.length <= 4 && bytes.length === expected &&
      expected > 0 && !names.has(name);
    names.add(name);
    if (valid) continue;
    throw new OutriderError(
      `tensor ${quote(name)} once, with 1 to 4 dimensions and ${expected} bytes`,
      `shape ${listText(shape)} and ${bytes.length} bytes`,
      "pass every tensor's own bytes, under its own name",
    );
  }
}

const paddingTo = (alignment: number, length: number): Bytes =>
  new Uint8Array((alignment - (length % alignment)) % alignment);

/**
 * The bytes of a GGUF file, in chunks to be written one after the other.
 *
 * @throws {OutriderError} when a tensor's bytes do not fit its shape, or a name comes twice.
 * @example
 * ```ts
 * import { encodeGguf, ggufTensor, memorySource, readGguf } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tensor = ggufTensor("weight", [2, 32], "Q8_0", new Float32Array(64).fill(1));
 * const chunks = encodeGguf({ metadata: new Map(), tensors: [tensor] });
 * const file = await readGguf(memorySource(new Uint8Array(await new Blob(chunks).arrayBuffer())));
 * assertEquals(file.tensors[0].shape, [2, 32]);
 * ```
 */
export function encodeGguf({ metadata, tensors }: GgufContent): Bytes[] {
  checkTensors(tensors);
  const alignment = alignmentOf(metadata);
  const chunks = [
    integerBytes(4, GGUF_MAGIC),
    integerBytes(4, WRITTEN_VERSION),
    integerBytes(8, tensors.length),
    integerBytes(8, metadata.size),
  ];
  for (const [key, value] of metadata) chunks.push(...stringBytes(key), ...valueBytes(value));
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    const dimensions = shape.toReversed().map((size) => integerBytes(8, size));
    chunks.push(...stringBytes(name), integerBytes(4, shape.length), ...dimensions);
    chunks.push(integerBytes(4, TENSOR_FORMATS[type].ggufType), integerBytes(8, offset));
    offset += bytes.length + paddingTo(alignment, bytes.length).length;
  }
  const headerLength = chunks.reduce((sum, { length }) => sum + length, 0);
  chunks.push(paddingTo(alignment, headerLength));
  for (const { bytes } of tensors) chunks.push(bytes, paddingTo(alignment, bytes.length));
  return chunks;
}

/** Writes a GGUF file in one atomic step. */
export function writeGguf(path: string, content: GgufContent): Promise<void> {
  return writeFileAtomically(path, joined(encodeGguf(content)));
}

/** Joins small chunks into larger ones, since a header consists of very many. */
function* joined(chunks: readonly Bytes[]): Generator<Bytes> {
  const LARGE = 1 << 16;
  let small: Bytes[] = [];
  const flush = (): Bytes => {
    const whole = new Uint8Array(small.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of small) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    small = [];
    return whole;
  };
  for (const chunk of chunks) {
    if (chunk.length < LARGE) {
      small.push(chunk);
      continue;
    }
    yield flush();
    yield chunk;
  }
  yield flush();
}
