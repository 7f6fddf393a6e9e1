/**
 * A strict reader and an atomic writer of safetensors files (F32, F16, BF16, I32, U8).
 *
 * A file is a 64-bit header length, a JSON header, and the data, which the tensors cover without
 * gaps or overlaps.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import type { Bytes, ByteSource } from "./bytes.ts";
import {
  asArray,
  asCount,
  asObject,
  asString,
  field,
  type Json,
  type JsonObject,
  parseJson,
} from "./json_fields.ts";
import { listText, quote } from "./quote.ts";
import {
  SAFETENSORS_BYTES,
  type SafetensorsContent,
  type SafetensorsFile,
  type SafetensorsTensor,
  type SafetensorsTensorData,
  type SafetensorsType,
} from "./safetensors_types.ts";

const METADATA_KEY = "__metadata__";
const LENGTH_BYTES = 8;
const LARGEST_HEADER = 100_000_000;
const HEADER_ALIGNMENT = 8;
const CURE = "the file is damaged or cut short; get it again";

function isSupportedType(type: string): type is SafetensorsType {
  return Object.hasOwn(SAFETENSORS_BYTES, type);
}

async function readHeader(source: ByteSource): Promise<{ header: JsonObject; dataStart: number }> {
  const what = `a safetensors header in ${source.name}`;
  if (source.size < LENGTH_BYTES) throw new OutriderError(what, `${source.size} bytes`, CURE);
  const prefix = await source.read(0, LENGTH_BYTES);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  const most = Math.min(LARGEST_HEADER, source.size - LENGTH_BYTES);
  if (length > BigInt(most)) {
    throw new OutriderError(`${what} of at most ${most} bytes`, `a length of ${length}`, CURE);
  }
  const bytes = await source.read(LENGTH_BYTES, Number(length));
  const text = decodeHeader(bytes, what);
  return {
    header: asObject(parseJson(text, what), what),
    dataStart: LENGTH_BYTES + Number(length),
  };
}

function decodeHeader(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new OutriderError(`${what} in UTF-8`, "broken bytes", CURE);
  }
}

function readTensor(name: string, entry: Json, dataStart: number, size: number): SafetensorsTensor {
  const what = `tensor ${quote(name)}`;
  const object = asObject(entry, what);
  const type = asString(field(object, "dtype"), `the dtype of ${what}`);
  if (!isSupportedType(type)) {
    throw new OutriderError(
      `a dtype of ${what} among ${Object.keys(SAFETENSORS_BYTES).join(", ")}`,
      quote(type),
      "convert the model to one of these",
    );
  }
  const shape = asArray(field(object, "shape"), `the shape of ${what}`)
    .map((extent) => asCount(extent, `a dimension of ${what}`));
  const offsets = asArray(field(object, "data_offsets"), `the data_offsets of ${what}`)
    .map((offset) => asCount(offset, `an offset of ${what}`));
  const [begin, end] = offsets;
  const byteLength = shape.reduce((a, b) => a * b, SAFETENSORS_BYTES[type]);
  const fits = offsets.length === 2 && end - begin === byteLength && end <= size - dataStart;
  if (!fits) {
    throw new OutriderError(
      `two data_offsets of ${what} that are ${byteLength} apart within the file`,
      listText(offsets),
      CURE,
    );
  }
  return { name, shape, type, offset: dataStart + begin, byteLength };
}

/** Checks that the tensors, in the order of their data, cover the data exactly. */
function checkCoverage(tensors: readonly SafetensorsTensor[], start: number, size: number): void {
  let at = start;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== at) {
      throw new OutriderError(
        `tensor ${quote(name)} to begin at ${at - start}, where the one before it ends`,
        String(offset - start),
        CURE,
      );
    }
    at += byteLength;
  }
  if (at === size) return;
  throw new OutriderError(`data that end at byte ${at}`, `a file of ${size} bytes`, CURE);
}

/**
 * Reads the header of a safetensors file; the data stay in the source.
 *
 * @throws {OutriderError} when the header is damaged, the tensors do not cover the data exactly, or
 * a number type is not supported.
 * @example
 * ```ts
 * import { encodeSafetensors, memorySource, readSafetensors } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array(Float32Array.of(1, 2).buffer);
 * const chunks = encodeSafetensors({ tensors: [{ name: "pair", shape: [2], type: "F32", bytes }] });
 * const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
 * assertEquals((await readSafetensors(memorySource(whole))).tensors[0].shape, [2]);
 * ```
 */
export async function readSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const { header, dataStart } = await readHeader(source);
  const metadata = new Map<string, string>();
  const tensors: SafetensorsTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== METADATA_KEY) {
      tensors.push(readTensor(name, entry, dataStart, source.size));
      continue;
    }
    for (const [key, value] of Object.entries(asObject(entry, METADATA_KEY))) {
      metadata.set(key, asString(value, `metadata ${quote(key)}`));
    }
  }
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkCoverage(tensors, dataStart, source.size);
  return { metadata, tensors };
}

/**
 * Reads the stored bytes of one tensor.
 *
 * @example
 * ```ts
 * import {
 *   encodeSafetensors,
 *   memorySource,
 *   readSafetensors,
 *   readSafetensorsBytes,
 * } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tensor = { name: "w", shape: [1], type: "I32", bytes: Uint8Array.of(7, 0, 0, 0) } as const;
 * const chunks = encodeSafetensors({ tensors: [tensor] });
 * const source = memorySource(new Uint8Array(await new Blob(chunks).arrayBuffer()));
 * const { tensors } = await readSafetensors(source);
 * assertEquals(await readSafetensorsBytes(source, tensors[0]), tensor.bytes);
 * ```
 */
export function readSafetensorsBytes(
  source: ByteSource,
  tensor: SafetensorsTensor,
): Promise<Bytes> {
  return source.read(tensor.offset, tensor.byteLength);
}

function checkContent(tensors: readonly SafetensorsTensorData[]): void {
  const names = new Set<string>([METADATA_KEY]);
  for (const { name, shape, type, bytes } of tensors) {
    const expected = shape.reduce((a, b) => a * b, SAFETENSORS_BYTES[type]);
    const isNew = !names.has(name);
    names.add(name);
    if (isNew && bytes.length === expected) continue;
    throw new OutriderError(
      `tensor ${quote(name)} once, with ${expected} bytes`,
      isNew ? `${bytes.length} bytes` : "the same name twice",
      "pass every tensor's own bytes, under its own name",
    );
  }
}

/**
 * The bytes of a safetensors file, in chunks to be written one after the other. The header is
 * padded so that the data begin at a multiple of 8 bytes.
 *
 * @throws {OutriderError} when a tensor's bytes do not fit its shape, or a name comes twice.
 * @example
 * ```ts
 * import { encodeSafetensors } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tensor = { name: "w", shape: [2], type: "F16", bytes: new Uint8Array(4) } as const;
 * const [header, data] = encodeSafetensors({ tensors: [tensor] });
 * assertEquals([header.length % 8, data.length], [0, 4]);
 * ```
 */
export function encodeSafetensors({ metadata, tensors }: SafetensorsContent): Bytes[] {
  checkContent(tensors);
  const entries: [string, Json][] = [];
  if (metadata !== undefined && metadata.size > 0) {
    entries.push([METADATA_KEY, Object.fromEntries(metadata)]);
  }
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    entries.push([name, { dtype: type, shape, data_offsets: [offset, offset + bytes.length] }]);
    offset += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.length / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  const header = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, LENGTH_BYTES);
  return [header, ...tensors.map(({ bytes }) => new Uint8Array(bytes))];
}

/** Writes a safetensors file in one atomic step. */
export function writeSafetensors(path: string, content: SafetensorsContent): Promise<void> {
  return writeFileAtomically(path, encodeSafetensors(content));
}
