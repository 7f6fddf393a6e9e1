/** Random GGUF content, and what a reader should find in it. */

import type {
  GgufArray,
  GgufBigintArrays,
  GgufNumberArrays,
  GgufValue,
} from "../../src/io/gguf_types.ts";
import { type GgufContent, ggufTensor, type GgufTensorData } from "../../src/io/gguf_writer.ts";
import type { Chooser } from "./random_bytes.ts";

const TEXTS = [
  "",
  "a",
  "Ġthe",
  "▁日本",
  "\u{1F600}",
  "two words",
  "\u0000",
  "x".repeat(40),
  "\ufeff",
];

const NUMBER_ARRAYS: {
  readonly [E in keyof GgufNumberArrays]: (buffer: ArrayBuffer) => GgufNumberArrays[E];
} = {
  uint8: (buffer) => new Uint8Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
};

const BIGINT_ARRAYS: {
  readonly [E in keyof GgufBigintArrays]: (buffer: ArrayBuffer) => GgufBigintArrays[E];
} = {
  uint64: (buffer) => new BigUint64Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
};

const NUMBER_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "float64",
] as const;

/** Bytes that are no NaN as floats, since NaN patterns need not survive a read as a number. */
function plainBytes(choose: Chooser, count: number): ArrayBuffer {
  return choose.bytes(count * 8).map((byte) => byte & 0x3f).buffer;
}

function numberArray<E extends keyof GgufNumberArrays>(
  choose: Chooser,
  elementType: E,
  count: number,
): GgufNumberArrays[E] {
  return NUMBER_ARRAYS[elementType](plainBytes(choose, count));
}

function randomArray(choose: Chooser): GgufArray {
  const type = "array";
  const count = choose.below(5);
  const kind = choose.pick([...NUMBER_TYPES, "uint64", "int64", "bool", "string"] as const);
  switch (kind) {
    case "string":
      return {
        type,
        elementType: kind,
        value: Array.from({ length: count }, () => choose.pick(TEXTS)),
      };
    case "bool":
      return {
        type,
        elementType: kind,
        value: Array.from({ length: count }, () => choose.below(2) > 0),
      };
    case "uint64":
      return {
        type,
        elementType: kind,
        value: BIGINT_ARRAYS.uint64(choose.bytes(8 * count).buffer),
      };
    case "int64":
      return {
        type,
        elementType: kind,
        value: BIGINT_ARRAYS.int64(choose.bytes(8 * count).buffer),
      };
    case "uint8":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "int8":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "uint16":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "int16":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "uint32":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "int32":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "float32":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
    case "float64":
      return { type, elementType: kind, value: numberArray(choose, kind, count) };
  }
}

function randomValue(choose: Chooser): GgufValue {
  const kind = choose.pick(
    [...NUMBER_TYPES, "uint64", "int64", "bool", "string", "array"] as const,
  );
  switch (kind) {
    case "array":
      return randomArray(choose);
    case "string":
      return { type: kind, value: choose.pick(TEXTS) };
    case "bool":
      return { type: kind, value: choose.below(2) > 0 };
    case "uint64":
    case "int64":
      return { type: kind, value: BIGINT_ARRAYS[kind](choose.bytes(8).buffer)[0] };
    default:
      return { type: kind, value: numberArray(choose, kind, 1)[0] };
  }
}

function randomTensor(choose: Chooser, name: string): GgufTensorData {
  const format = choose.pick(["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const);
  const columns = 32 * (1 + choose.below(3));
  const shape = [...Array.from({ length: choose.below(3) }, () => 1 + choose.below(4)), columns];
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: count }, () => choose.below(2001) / 1000 - 1);
  return ggufTensor(name, shape, format, values);
}

/** Content with a few metadata of any types and a few tensors of any writable format. */
export function randomGguf(choose: Chooser): GgufContent {
  const metadata = new Map<string, GgufValue>();
  for (let i = choose.below(6); i > 0; i--) {
    metadata.set(`key.${i}.${choose.pick(TEXTS)}`, randomValue(choose));
  }
  if (choose.below(2) > 0) {
    metadata.set("general.alignment", { type: "uint32", value: choose.pick([1, 8, 32, 64, 4096]) });
  }
  const names = Array.from({ length: choose.below(4) }, (_, i) => `t${i}.${choose.pick(TEXTS)}`);
  return { metadata, tensors: names.map((name) => randomTensor(choose, name)) };
}
