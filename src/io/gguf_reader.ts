/**
 * A strict reader of GGUF versions 2 and 3.
 *
 * Every count, length and offset is checked against the file's size before anything is allocated
 * for it, so a damaged or hostile header gives one clear error.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Bytes, ByteSource } from "./bytes.ts";
import { readTensorInfos } from "./gguf_tensors.ts";
import {
  ALIGNMENT_KEY,
  DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  type GgufFile,
  type GgufMetadata,
  type GgufTensor,
  type GgufValue,
} from "./gguf_types.ts";
import { checkedCount, readString, readValue } from "./gguf_values.ts";
import { quote } from "./quote.ts";
import { type SequentialReader, sequentialReader } from "./sequential_reader.ts";

const LONGEST_KEY = 65535;

// Key of one character, type, one byte; and name of one character, dimensions, type, offset.
const LEAST_METADATA_BYTES = 8 + 1 + 4 + 1;
const LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

function checkMagic(reader: SequentialReader, name: string): void {
  const magic = reader.uint32();
  if (magic === GGUF_MAGIC) return;
  throw new OutriderError(
    `a GGUF file at ${name}`,
    `first bytes 0x${magic.toString(16).padStart(8, "0")}`,
    "name a file that ends in .gguf, or get it again",
  );
}

function readVersion(reader: SequentialReader, name: string): number {
  const version = reader.uint32();
  if (version === 2 || version === 3) return version;
  const found = (version & 0xffff) === 0 ? "a big-endian file" : `version ${version}`;
  throw new OutriderError(`GGUF version 2 or 3 in ${name}`, found, "convert the model again");
}

async function readMetadata(reader: SequentialReader, count: number): Promise<GgufMetadata> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = await readString(reader, `metadata key ${i}`);
    if (key === "" || key.length > LONGEST_KEY || metadata.has(key)) {
      throw new OutriderError(
        `a new key of 1 to ${LONGEST_KEY} characters as metadata key ${i}`,
        metadata.has(key) ? `${quote(key)} a second time` : `${key.length} characters`,
        "the file is damaged; get it again",
      );
    }
    metadata.set(key, await readValue(reader, `metadata ${quote(key)}`));
  }
  return metadata;
}

/**
 * The alignment of tensor data that the metadata ask for, 32 if they do not.
 *
 * @throws {OutriderError} when it is not a power of two in a 32-bit integer.
 */
export function alignmentOf(metadata: GgufMetadata): number {
  const entry = metadata.get(ALIGNMENT_KEY);
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const { type, value } = entry;
  if (type === "uint32" && value > 0 && Number.isInteger(Math.log2(value))) return value;
  throw new OutriderError(
    `a power of two of type uint32 as ${ALIGNMENT_KEY}`,
    `${type} ${type === "array" ? "" : value}`,
    "the file is damaged; get it again",
  );
}

/**
 * Reads the header of a GGUF file: metadata and the list of tensors, whose data stay in the source.
 *
 * @throws {OutriderError} when the header is damaged, cut short, or uses what is not supported.
 * @example
 * ```ts
 * import { encodeGguf, memorySource, readGguf } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const metadata = new Map([["general.name", { type: "string", value: "tiny" } as const]]);
 * const bytes = new Uint8Array(await new Blob(encodeGguf({ metadata, tensors: [] })).arrayBuffer());
 * const file = await readGguf(memorySource(bytes));
 * assertEquals(file.metadata.get("general.name"), { type: "string", value: "tiny" });
 * ```
 */
export async function readGguf(source: ByteSource): Promise<GgufFile> {
  const reader = sequentialReader(source);
  await reader.need(24, "a GGUF header");
  checkMagic(reader, source.name);
  const version = readVersion(reader, source.name);
  const tensorCount = reader.uint64();
  const metadataCount = reader.uint64();
  const metadata = await readMetadata(
    reader,
    checkedCount(reader, metadataCount, LEAST_METADATA_BYTES, "the number of metadata entries"),
  );
  const tensors = await readTensorInfos(
    reader,
    checkedCount(reader, tensorCount, LEAST_TENSOR_BYTES, "the number of tensors"),
    alignmentOf(metadata),
  );
  return { version, metadata, tensors };
}

/**
 * Reads the stored bytes of one tensor.
 *
 * @example
 * ```ts
 * import {
 *   dequantize,
 *   encodeGguf,
 *   ggufTensor,
 *   memorySource,
 *   readGguf,
 *   readTensorBytes,
 * } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tensor = ggufTensor("pair", [2], "F32", Float32Array.of(1, 2));
 * const chunks = encodeGguf({ metadata: new Map(), tensors: [tensor] });
 * const source = memorySource(new Uint8Array(await new Blob(chunks).arrayBuffer()));
 * const [stored] = (await readGguf(source)).tensors;
 * const bytes = await readTensorBytes(source, stored);
 * assertEquals(dequantize(stored.type, bytes), Float32Array.of(1, 2));
 * ```
 */
export function readTensorBytes(source: ByteSource, tensor: GgufTensor): Promise<Bytes> {
  return source.read(tensor.offset, tensor.byteLength);
}
