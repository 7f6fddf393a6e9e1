import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { type ByteSource, memorySource } from "../../src/io/bytes.ts";
import { readGguf, readTensorBytes } from "../../src/io/gguf_reader.ts";
import type { GgufFile } from "../../src/io/gguf_types.ts";
import { encodeGguf, ggufTensor } from "../../src/io/gguf_writer.ts";
import { chooser, concat } from "./random_bytes.ts";
import { randomGguf } from "./random_gguf.ts";

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint): Uint8Array =>
  new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): Uint8Array => {
  const bytes = new TextEncoder().encode(value);
  return concat([u64(bytes.length), bytes]);
};

const MAGIC = new TextEncoder().encode("GGUF");

/** A header by hand: version, tensor count, metadata count, then the given parts. */
function header(
  version: number,
  tensors: number | bigint,
  entries: number | bigint,
  ...parts: Uint8Array[]
): Uint8Array {
  return concat([MAGIC, u32(version), u64(tensors), u64(entries), ...parts]);
}

/** A tensor entry by hand: dimensions innermost first, as in the file. */
function entry(
  name: string,
  dimensions: readonly (number | bigint)[],
  type: number,
  offset: number | bigint,
): Uint8Array {
  return concat([
    text(name),
    u32(dimensions.length),
    ...dimensions.map(u64),
    u32(type),
    u64(offset),
  ]);
}

/** Pads to the default alignment and adds data. */
function withData(bytes: Uint8Array, length: number): Uint8Array {
  return concat([bytes, new Uint8Array((32 - (bytes.length % 32)) % 32), new Uint8Array(length)]);
}

const read = (bytes: Uint8Array): Promise<GgufFile> => readGguf(memorySource(bytes));

Deno.test("what is written is what is read, for any metadata and tensors", async () => {
  for (let seed = 0; seed < 150; seed++) {
    const content = randomGguf(chooser(seed));
    const source = memorySource(concat(encodeGguf(content)));
    const file = await readGguf(source);
    assertEquals(file.version, 3);
    assertEquals([...file.metadata], [...content.metadata]);
    assertEquals(
      file.tensors.map(({ name, shape, type }) => ({ name, shape, type })),
      content.tensors.map(({ name, shape, type }) => ({ name, shape, type })),
    );
    for (const [index, tensor] of file.tensors.entries()) {
      assertEquals(await readTensorBytes(source, tensor), content.tensors[index].bytes);
    }
  }
});

Deno.test("strings longer than a read window and headers across windows are read whole", async () => {
  const long = "é".repeat(1 << 20);
  const strings = Array.from({ length: 60_000 }, (_, i) => `token ${i} of a long vocabulary`);
  const content = {
    metadata: new Map([
      ["strings", { type: "array", elementType: "string", value: strings } as const],
      ["long", { type: "string", value: long } as const],
      [
        "numbers",
        { type: "array", elementType: "float64", value: new Float64Array(200_000) } as const,
      ],
    ]),
    tensors: [ggufTensor("t", [2], "F32", Float32Array.of(1, 2))],
  };
  const file = await read(concat(encodeGguf(content)));
  assertEquals(file.metadata.get("strings")?.value, strings);
  assertEquals(file.metadata.get("long")?.value, long);
  assertEquals(file.tensors.length, 1);
});

Deno.test("a version 2 file by hand: metadata, a matrix with reversed dimensions, its offset", async () => {
  const bytes = withData(
    header(2, 1, 1, text("answer"), u32(4), u32(42), entry("m", [3, 2], 0, 0)),
    24,
  );
  const { version, metadata, tensors } = await read(bytes);
  assertEquals(version, 2);
  assertEquals([...metadata], [["answer", { type: "uint32", value: 42 }]]);
  assertEquals(tensors, [
    { name: "m", shape: [2, 3], type: "F32", offset: bytes.length - 24, byteLength: 24 },
  ]);
});

/** Every byte, and every first byte of two with the second ones that decide. */
const SHORT_BYTES: readonly Uint8Array[] = Array.from({ length: 256 }, (_, first) => [
  Uint8Array.of(first),
  ...[0x00, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xff].map((second) => Uint8Array.of(first, second)),
]).flat();

Deno.test("lists of strings are the platform's UTF-8, for all short texts and some long ones", async () => {
  const platform = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decoded = (bytes: Uint8Array): string[] => {
    try {
      return [platform.decode(bytes)];
    } catch {
      return [];
    }
  };
  const list = (texts: readonly Uint8Array[]): Uint8Array => {
    const parts = texts.flatMap((bytes) => [u64(bytes.length), bytes]);
    return header(3, 0, 1, text("k"), u32(9), u32(8), u64(texts.length), ...parts);
  };
  const longer = [
    "",
    "\u{feff}a",
    "\u{10348}",
    "\u20ac",
    "é".repeat(12),
    "é".repeat(13),
    "x".repeat(99),
  ];
  const all = [...SHORT_BYTES, ...longer.map((one) => new TextEncoder().encode(one))];
  const valid = all.filter((bytes) => decoded(bytes).length > 0);
  const file = await read(list(valid));
  const value = valid.flatMap(decoded);
  assertEquals(file.metadata.get("k"), { type: "array", elementType: "string", value });
  for (const bytes of all) {
    if (decoded(bytes).length > 0) continue;
    await assertRejects(() => read(list([bytes])), OutriderError, "valid UTF-8");
  }
});

const HUGE = 2n ** 63n;

const DAMAGED: Readonly<Record<string, Uint8Array>> = {
  "an empty file": new Uint8Array(0),
  "another kind of file": new Uint8Array(64).fill(0x50),
  "version 1": header(1, 0, 0),
  "a big-endian file": header(3 << 24, 0, 0),
  "a huge tensor count": header(3, HUGE, 0),
  "a huge metadata count": header(3, 0, HUGE),
  "a huge key length": header(3, 0, 1, u64(HUGE), new Uint8Array(64)),
  "a huge string": header(3, 0, 1, text("k"), u32(8), u64(HUGE), new Uint8Array(64)),
  "a huge array": header(3, 0, 1, text("k"), u32(9), u32(10), u64(HUGE), new Uint8Array(64)),
  "a huge array of strings": header(3, 0, 1, text("k"), u32(9), u32(8), u64(2n ** 40n), u64(0)),
  "an array of arrays": header(3, 0, 1, text("k"), u32(9), u32(9), u64(1), new Uint8Array(64)),
  "an unknown value type": header(3, 0, 1, text("k"), u32(13), new Uint8Array(64)),
  "a boolean of 2": header(3, 0, 1, text("k"), u32(7), Uint8Array.of(2), new Uint8Array(64)),
  "an empty key": header(3, 0, 1, text(""), u32(4), u32(1)),
  "a key twice": header(3, 0, 2, text("k"), u32(4), u32(1), text("k"), u32(4), u32(1)),
  "a key in broken UTF-8": header(3, 0, 1, u64(2), Uint8Array.of(0xff, 0xfe), u32(4), u32(1)),
  "a string in broken UTF-8": header(3, 0, 1, text("k"), u32(8), u64(1), Uint8Array.of(0xc3)),
  "an alignment of 24": header(3, 0, 1, text("general.alignment"), u32(4), u32(24)),
  "an alignment of 0": header(3, 0, 1, text("general.alignment"), u32(4), u32(0)),
  "an alignment of another type": header(3, 0, 1, text("general.alignment"), u32(5), u32(32)),
  "no dimensions": withData(header(3, 1, 0, entry("t", [], 0, 0)), 64),
  "five dimensions": withData(header(3, 1, 0, entry("t", [1, 1, 1, 1, 1], 0, 0)), 64),
  "a dimension of 0": withData(header(3, 1, 0, entry("t", [0, 4], 0, 0)), 64),
  "dimensions whose product overflows": withData(
    header(3, 1, 0, entry("t", [2n ** 62n, 2n ** 62n], 0, 0)),
    64,
  ),
  "an unknown tensor type": withData(header(3, 1, 0, entry("t", [4], 4, 0)), 64),
  "an unsupported tensor type": withData(header(3, 1, 0, entry("t", [256], 10, 0)), 512),
  "rows of part of a block": withData(header(3, 1, 0, entry("t", [16, 4], 8, 0)), 128),
  "a tensor name twice": withData(
    header(3, 2, 0, entry("t", [4], 0, 0), entry("t", [4], 0, 32)),
    64,
  ),
  "an unaligned offset": withData(header(3, 1, 0, entry("t", [4], 0, 4)), 64),
  "an offset beyond the file": withData(header(3, 1, 0, entry("t", [4], 0, 64)), 64),
  "an offset that is negative when signed": withData(
    header(3, 1, 0, entry("t", [4], 0, 2n ** 64n - 32n)),
    64,
  ),
  "tensors that overlap": withData(
    header(3, 2, 0, entry("a", [16], 0, 0), entry("b", [4], 0, 32)),
    64,
  ),
  "data cut short": withData(header(3, 1, 0, entry("t", [16], 0, 0)), 63),
};

for (const [what, bytes] of Object.entries(DAMAGED)) {
  Deno.test(`a GGUF file with ${what} gives one clear error`, async () => {
    const error = await assertRejects(() => read(bytes), OutriderError);
    assertEquals(error.message.includes("\n"), false);
  });
}

Deno.test("a count or length beyond the file is refused before anything it counts is read", async () => {
  const claims = Object.entries(DAMAGED).filter(([what]) => what.startsWith("a huge"));
  assertEquals(claims.length, 6);
  for (const [, bytes] of claims) {
    await assertRejects(() => read(bytes), OutriderError, "since the file ends there");
  }
});

Deno.test("a file cut anywhere before the end of its last tensor gives one clear error", async () => {
  const metadata = new Map([
    ["name", { type: "string", value: "cut" } as const],
    ["list", { type: "array", elementType: "string", value: ["a", "b"] } as const],
  ]);
  const tensors = [ggufTensor("t", [1, 32], "Q8_0", new Float32Array(32))];
  const bytes = concat(encodeGguf({ metadata, tensors }));
  const [{ offset, byteLength }] = (await read(bytes)).tensors;
  for (let length = 0; length < offset + byteLength; length++) {
    await assertRejects(() => read(bytes.slice(0, length)), OutriderError);
  }
});

Deno.test("no read is larger than the file allows, whatever the header claims", async () => {
  for (const bytes of Object.values(DAMAGED)) {
    const inner = memorySource(bytes);
    const reads: number[] = [];
    const watched: ByteSource = {
      ...inner,
      read: (offset, length) => {
        reads.push(length);
        return inner.read(offset, length);
      },
    };
    await assertRejects(() => readGguf(watched), OutriderError);
    assertEquals(reads.every((length) => length <= bytes.length), true);
  }
});

Deno.test("the writer refuses tensors whose bytes do not fit, and names used twice", () => {
  const good = ggufTensor("t", [1, 32], "Q8_0", new Float32Array(32));
  const write = (...tensors: (typeof good)[]) => () => encodeGguf({ metadata: new Map(), tensors });
  assertThrows(write({ ...good, bytes: good.bytes.slice(1) }), OutriderError);
  assertThrows(write({ ...good, shape: [32, 1] }), OutriderError);
  assertThrows(write(good, good), OutriderError);
  assertThrows(write({ ...good, shape: [] }), OutriderError);
});
