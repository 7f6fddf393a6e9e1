/**
 * Reads the values of GGUF metadata.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { GGUF_TYPES, type GgufArray, type GgufScalarType, type GgufValue } from "./gguf_types.ts";
import type { SequentialReader } from "./sequential_reader.ts";

const LONGEST_ASCII_FAST_PATH = 24;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8. Most strings are short ASCII, for which a TextDecoder call costs more. */
function decodeUtf8(bytes: Uint8Array, what: string): string {
  if (bytes.length <= LONGEST_ASCII_FAST_PATH && bytes.every((byte) => byte < 128)) {
    return String.fromCharCode(...bytes);
  }
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new OutriderError(`valid UTF-8 in ${what}`, "broken bytes", "the file is damaged");
  }
}

/** Checks a 64-bit length or count from the file against what can follow it. */
export function checkedCount(
  reader: SequentialReader,
  count: bigint,
  leastBytesEach: number,
  what: string,
): number {
  const most = Math.floor(reader.remaining() / leastBytesEach);
  if (count <= BigInt(most)) return Number(count);
  throw new OutriderError(
    `at most ${most} for ${what}, since the file ends there`,
    String(count),
    "the file is damaged or cut short; get it again",
  );
}

/** Reads a string: 64-bit length, UTF-8. */
export async function readString(reader: SequentialReader, what: string): Promise<string> {
  await reader.need(8, what);
  const length = checkedCount(reader, reader.uint64(), 1, `the length of ${what}`);
  await reader.need(length, what);
  return decodeUtf8(reader.take(length), what);
}

/** Reads strings without waiting for as long as the window holds whole ones. */
function takeBufferedStrings(
  reader: SequentialReader,
  count: number,
  strings: string[],
  what: string,
): void {
  while (strings.length < count && reader.buffered() >= 8) {
    if (reader.peekUint64() > BigInt(reader.buffered() - 8)) return;
    const length = Number(reader.uint64());
    strings.push(decodeUtf8(reader.take(length), what));
  }
}

async function readStrings(
  reader: SequentialReader,
  count: number,
  what: string,
): Promise<string[]> {
  const strings: string[] = [];
  while (strings.length < count) {
    takeBufferedStrings(reader, count, strings, what);
    if (strings.length < count) strings.push(await readString(reader, what));
  }
  return strings;
}

const SCALAR_BYTES: Readonly<Record<Exclude<GgufScalarType, "string">, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
};

async function readType(
  reader: SequentialReader,
  what: string,
): Promise<GgufScalarType | "array"> {
  await reader.need(4, what);
  const id = reader.uint32();
  const type = GGUF_TYPES.at(id);
  if (type !== undefined) return type;
  throw new OutriderError(
    `a value type from 0 to 12 for ${what}`,
    String(id),
    "the file is damaged",
  );
}

function toBooleans(bytes: Uint8Array, what: string): boolean[] {
  if (bytes.some((byte) => byte > 1)) {
    throw new OutriderError(
      `0 or 1 in ${what}`,
      `${bytes.find((b) => b > 1)}`,
      "the file is damaged",
    );
  }
  return Array.from(bytes, (byte) => byte === 1);
}

/** Interprets raw little-endian bytes as an array; the copy also gives it its alignment. */
function numericArray(
  elementType: Exclude<GgufScalarType, "string">,
  bytes: Uint8Array,
  what: string,
): GgufArray {
  const { buffer } = bytes.slice();
  const type = "array";
  switch (elementType) {
    case "uint8":
      return { type, elementType, value: new Uint8Array(buffer) };
    case "int8":
      return { type, elementType, value: new Int8Array(buffer) };
    case "uint16":
      return { type, elementType, value: new Uint16Array(buffer) };
    case "int16":
      return { type, elementType, value: new Int16Array(buffer) };
    case "uint32":
      return { type, elementType, value: new Uint32Array(buffer) };
    case "int32":
      return { type, elementType, value: new Int32Array(buffer) };
    case "float32":
      return { type, elementType, value: new Float32Array(buffer) };
    case "float64":
      return { type, elementType, value: new Float64Array(buffer) };
    case "uint64":
      return { type, elementType, value: new BigUint64Array(buffer) };
    case "int64":
      return { type, elementType, value: new BigInt64Array(buffer) };
    case "bool":
      return { type, elementType, value: toBooleans(bytes, what) };
  }
}

async function readNumericArray(
  reader: SequentialReader,
  elementType: Exclude<GgufScalarType, "string">,
  count: number,
  what: string,
): Promise<GgufArray> {
  const length = count * SCALAR_BYTES[elementType];
  await reader.need(length, what);
  return numericArray(elementType, reader.take(length), what);
}

async function readArray(reader: SequentialReader, what: string): Promise<GgufArray> {
  const elementType = await readType(reader, `the elements of ${what}`);
  if (elementType === "array") {
    throw new OutriderError(`plain elements in ${what}`, "nested arrays", "they are not supported");
  }
  await reader.need(8, what);
  const leastBytes = elementType === "string" ? 8 : SCALAR_BYTES[elementType];
  const count = checkedCount(reader, reader.uint64(), leastBytes, `the length of ${what}`);
  if (elementType === "string") {
    return { type: "array", elementType, value: await readStrings(reader, count, what) };
  }
  return await readNumericArray(reader, elementType, count, what);
}

/** Reads one metadata value with its type. */
export async function readValue(reader: SequentialReader, what: string): Promise<GgufValue> {
  const type = await readType(reader, what);
  if (type === "array") return await readArray(reader, what);
  if (type === "string") return { type, value: await readString(reader, what) };
  const array = await readNumericArray(reader, type, 1, what);
  switch (array.elementType) {
    case "uint64":
    case "int64":
      return { type: array.elementType, value: array.value[0] };
    case "bool":
      return { type: array.elementType, value: array.value[0] };
    case "string":
      return { type: array.elementType, value: array.value[0] };
    default:
      return { type: array.elementType, value: array.value[0] };
  }
}
