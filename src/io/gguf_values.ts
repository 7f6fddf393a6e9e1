/**
 * Reads the values of GGUF metadata.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { GGUF_TYPES, type GgufArray, type GgufScalarType, type GgufValue } from "./gguf_types.ts";
import type { SequentialReader } from "./sequential_reader.ts";

const LONGEST_SHORT_TEXT = 24;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of one and two bytes per character; undefined where there is anything else. */
function shortText(bytes: Uint8Array, from: number, to: number): string | undefined {
  let text = "";
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    if (byte < 0x80) {
      text += String.fromCharCode(byte);
      continue;
    }
    at++;
    const rest = at < to ? bytes[at] ^ 0x80 : 0xff;
    if (byte < 0xc2 || byte > 0xdf || rest > 0x3f) return undefined;
    text += String.fromCharCode(((byte & 0x1f) << 6) | rest);
  }
  return text;
}

/** Decodes UTF-8. Most strings are short and plain, for which a TextDecoder call costs more. */
function decodeUtf8(bytes: Uint8Array, from: number, to: number, what: string): string {
  const short = to - from <= LONGEST_SHORT_TEXT ? shortText(bytes, from, to) : undefined;
  if (short !== undefined) return short;
  try {
    return strictUtf8.decode(bytes.subarray(from, to));
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
  return decodeUtf8(reader.take(length), 0, length, what);
}

/** Bytes of a string's length. */
const LENGTH_BYTES = 8;

/** An unsigned 64-bit length; one that is no exact number is larger than every file. */
function lengthAt(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let i = LENGTH_BYTES - 1; i >= 0; i--) length = 256 * length + bytes[at + i];
  return length;
}

/** Reads strings without waiting for as long as the window holds whole ones. */
function takeBufferedStrings(
  reader: SequentialReader,
  count: number,
  strings: string[],
  what: string,
): void {
  const bytes = reader.peek();
  let at = 0;
  while (strings.length < count && bytes.length - at >= LENGTH_BYTES) {
    const from = at + LENGTH_BYTES;
    const to = from + lengthAt(bytes, at);
    if (to > bytes.length) break;
    strings.push(decodeUtf8(bytes, from, to, what));
    at = to;
  }
  reader.take(at);
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
