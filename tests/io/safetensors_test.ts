import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { memorySource } from "../../src/io/bytes.ts";
import {
  encodeSafetensors,
  readSafetensors,
  readSafetensorsBytes,
} from "../../src/io/safetensors.ts";
import { SAFETENSORS_BYTES, type SafetensorsTensorData } from "../../src/io/safetensors_types.ts";
import { type Chooser, chooser, concat } from "./random_bytes.ts";

const NAMES = ["w", "model.layers.0.weight", "日本", "__proto__", "a b", ""];

function randomTensor(choose: Chooser, name: string): SafetensorsTensorData {
  const type = choose.pick(["F32", "F16", "BF16", "I32"] as const);
  const shape = Array.from({ length: choose.below(4) }, () => choose.below(4));
  const count = shape.reduce((a, b) => a * b, 1);
  return { name, type, shape, bytes: choose.bytes(count * SAFETENSORS_BYTES[type]) };
}

/** A file out of a header text and data. */
function fileOf(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(header);
  return concat([new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer), json, data]);
}

Deno.test("what is written is what is read, empty and scalar tensors included", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const choose = chooser(seed);
    const names = NAMES.filter(() => choose.below(2) > 0);
    const content = {
      metadata: new Map([["format", "pt"], ["note", choose.pick(NAMES)]]),
      tensors: names.map((name) => randomTensor(choose, name)),
    };
    const source = memorySource(concat(encodeSafetensors(content)));
    const file = await readSafetensors(source);
    assertEquals(file.metadata, content.metadata);
    assertEquals(new Set(file.tensors.map(({ name }) => name)), new Set(names));
    for (const tensor of file.tensors) {
      const written = content.tensors.find(({ name }) => name === tensor.name);
      assertEquals([tensor.type, tensor.shape], [written?.type, written?.shape]);
      assertEquals(await readSafetensorsBytes(source, tensor), written?.bytes);
    }
  }
});

Deno.test("data begin at a multiple of 8 bytes", async () => {
  for (let length = 1; length < 12; length++) {
    const tensor = {
      name: "n".repeat(length),
      type: "F32",
      shape: [1],
      bytes: new Uint8Array(4),
    } as const;
    const file = await readSafetensors(
      memorySource(concat(encodeSafetensors({ tensors: [tensor] }))),
    );
    assertEquals(file.tensors[0].offset % 8, 0);
  }
});

const four = (begin: number, end: number): string =>
  `{"dtype":"F32","shape":[1],"data_offsets":[${begin},${end}]}`;

const DAMAGED: Readonly<Record<string, Uint8Array>> = {
  "an empty file": new Uint8Array(0),
  "a length beyond the file": concat([Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0), new Uint8Array(8)]),
  "a length of 2^64 - 1": new Uint8Array(16).fill(0xff),
  "a header that is no JSON": fileOf("{"),
  "a header in broken UTF-8": concat([Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(0xff)]),
  "a header that is a list": fileOf("[]"),
  "a tensor that is a number": fileOf(`{"t":7}`),
  "an unknown number type": fileOf(
    `{"t":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`,
    new Uint8Array(8),
  ),
  "no shape": fileOf(`{"t":{"dtype":"F32","data_offsets":[0,4]}}`, new Uint8Array(4)),
  "a negative dimension": fileOf(
    `{"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`,
    new Uint8Array(4),
  ),
  "a fractional dimension": fileOf(
    `{"t":{"dtype":"F32","shape":[0.5],"data_offsets":[0,2]}}`,
    new Uint8Array(2),
  ),
  "a product that overflows": fileOf(
    `{"t":{"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]}}`,
    new Uint8Array(4),
  ),
  "negative offsets": fileOf(`{"t":${four(-4, 0)}}`),
  "offsets in the wrong order": fileOf(`{"t":${four(4, 0)}}`, new Uint8Array(4)),
  "offsets beyond the file": fileOf(`{"t":${four(0, 4)}}`, new Uint8Array(3)),
  "three offsets": fileOf(
    `{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}`,
    new Uint8Array(4),
  ),
  "a gap": fileOf(`{"a":${four(0, 4)},"b":${four(8, 12)}}`, new Uint8Array(12)),
  "an overlap": fileOf(`{"a":${four(0, 4)},"b":${four(2, 6)}}`, new Uint8Array(6)),
  "data that no tensor covers": fileOf(`{"a":${four(0, 4)}}`, new Uint8Array(5)),
  "metadata that are no text": fileOf(`{"__metadata__":{"a":1}}`),
};

for (const [what, bytes] of Object.entries(DAMAGED)) {
  Deno.test(`a safetensors file with ${what} gives one clear error`, async () => {
    await assertRejects(() => readSafetensors(memorySource(bytes)), OutriderError);
  });
}

Deno.test("the writer refuses bytes that do not fit and names used twice", () => {
  const good = { name: "t", type: "F16", shape: [3], bytes: new Uint8Array(6) } as const;
  assertThrows(
    () => encodeSafetensors({ tensors: [{ ...good, bytes: new Uint8Array(5) }] }),
    OutriderError,
  );
  assertThrows(() => encodeSafetensors({ tensors: [good, good] }), OutriderError);
  assertThrows(
    () => encodeSafetensors({ tensors: [{ ...good, name: "__metadata__" }] }),
    OutriderError,
  );
});
