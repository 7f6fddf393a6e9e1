import { assertEquals, assertNotEquals } from "@std/assert";
import { hashBytes, hashText, stableJson } from "../../src/plan/stable_json.ts";

Deno.test("ordinary values have the text that JSON gives them", () => {
  const values = [
    0,
    -1.5,
    1e21,
    'a "quoted" name',
    true,
    null,
    [],
    {},
    [[1, 2], [], { deep: [{ x: "y" }] }],
    { name: "map", shape: [1, 2], absent: undefined, "odd key": 3 },
  ];
  for (const value of values) assertEquals(stableJson(value), JSON.stringify(value));
});

Deno.test("values that JSON confuses have texts of their own", () => {
  const values = [0, -0, Infinity, -Infinity, NaN, null].map((value) => ({ value: [value] }));
  assertEquals(new Set(values.map(stableJson)).size, values.length);
});

Deno.test("arrays are told apart by content, length and type, wherever they begin", () => {
  const array = Float32Array.from({ length: 100 }, (_, i) => i / 3);
  const within = new Float32Array(103);
  within.set(array, 3);
  assertEquals(stableJson(within.subarray(3)), stableJson(array));
  const changed = array.map((value, i) => i === 57 ? value + 1 : value);
  assertNotEquals(stableJson(changed), stableJson(array));
  assertNotEquals(stableJson(array.subarray(1)), stableJson(array));
  assertNotEquals(stableJson(new Int32Array(array.buffer)), stableJson(array));
  assertNotEquals(stableJson(new Float32Array(3)), stableJson(new Float32Array(4)));
});

Deno.test("one flipped bit, or zeros at the end, change a hash; the start of the bytes does not", () => {
  const bytes = Uint8Array.from({ length: 37 }, (_, i) => 37 * i);
  const hashes = new Set([hashBytes(bytes)]);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    hashes.add(hashBytes(flipped));
  }
  assertEquals(hashes.size, 8 * bytes.length + 1);
  const lengths = Array.from({ length: 40 }, (_, length) => hashBytes(new Uint8Array(length)));
  assertEquals(new Set(lengths).size, 40);
  const within = new Uint8Array(41);
  within.set(bytes, 3);
  assertEquals(hashBytes(within.subarray(3, 40)), hashBytes(bytes));
});

Deno.test("texts that differ in one character have different hashes", () => {
  const texts = Array.from({ length: 5000 }, (_, i) => `line ${i}\nand another of ${i % 7}`);
  assertEquals(new Set(texts.map(hashText)).size, texts.length);
});
