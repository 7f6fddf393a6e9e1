/** Files made to exhaust a reader: each gives one short error, quickly. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { memorySource } from "../../src/io/bytes.ts";
import type { GgufMetadata, GgufValue } from "../../src/io/gguf_types.ts";
import { encodeGguf, ggufTensor } from "../../src/io/gguf_writer.ts";
import { parseJson } from "../../src/io/json_fields.ts";
import { openGgufModel } from "../../src/io/open_model.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { tokenizerFromGguf } from "../../src/io/tokenizer_gguf.ts";
import { byteLevelMetadata } from "../../src/io/tokenizer_metadata.ts";
import { concat } from "./random_bytes.ts";
import { tinyModelBytes } from "./tiny_model_bytes.ts";

/** Runs something that must end soon. */
async function within(milliseconds: number, run: () => unknown): Promise<void> {
  const start = performance.now();
  await run();
  const took = performance.now() - start;
  assert(took < milliseconds, `took ${took} ms`);
}

Deno.test("a model that claims 2^31 - 1 layers is refused before any list of them is made", async () => {
  const { bytes } = await tinyModelBytes();
  const key = new TextEncoder().encode("llama.block_count");
  const at = bytes.findIndex((_, i) => key.every((byte, j) => bytes[i + j] === byte));
  new DataView(bytes.buffer).setUint32(at + key.length + 4, 2 ** 31 - 1, true);
  await within(
    1000,
    () => assertRejects(() => openGgufModel(memorySource(bytes)), OutriderError, "layers"),
  );
});

Deno.test("JSON nested 100,000 deep is refused, and does not use up the stack", async () => {
  const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  await within(1000, () => assertThrows(() => parseJson(deep, "a test"), OutriderError));
  const header = new TextEncoder().encode(deep);
  const file = concat([new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer), header]);
  await assertRejects(() => readSafetensors(memorySource(file)), OutriderError);
});

Deno.test("brackets inside strings are no nesting", () => {
  const text = JSON.stringify({ a: `${"[".repeat(1000)}\\"{`, b: '"' });
  assertEquals(JSON.stringify(parseJson(text, "a test")), text);
});

Deno.test("50,000 control tokens slow neither loading nor encoding", () =>
  within(2000, () => {
    const tokens = Array.from({ length: 50_000 }, (_, i) => `<|special_${i}|>`);
    const tokenizer = tokenizerFromGguf(byteLevelMetadata({
      tokens,
      merges: [],
      control: tokens.map((_, id) => id),
      preTokenizer: "gpt-2",
    }));
    assertEquals(tokenizer.encode("<|special_7|><|special_49999|>".repeat(2000)).length, 4000);
  }));

Deno.test("a token of a million characters slows down no SentencePiece vocabulary", () =>
  within(1000, () => {
    const tokens = ["<unk>", "a", "aa", "a".repeat(1_000_000)];
    const metadata: GgufMetadata = new Map<string, GgufValue>([
      ["tokenizer.ggml.model", { type: "string", value: "llama" }],
      ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: tokens }],
      ["tokenizer.ggml.scores", {
        type: "array",
        elementType: "float32",
        value: Float32Array.of(0, -1, -2, -3),
      }],
      ["tokenizer.ggml.add_space_prefix", { type: "bool", value: false }],
    ]);
    assertEquals(tokenizerFromGguf(metadata).encode("aaa"), [2, 1]);
  }));

Deno.test("an error about a name of a million characters stays one short line", async () => {
  const name = "x\n".repeat(500_000);
  const tensors = [ggufTensor(name, [4], "F32", new Float32Array(4))];
  const file = concat(encodeGguf({
    metadata: new Map([["general.architecture", { type: "string", value: "llama" } as const]]),
    tensors,
  }));
  const error = await assertRejects(() => openGgufModel(memorySource(file)), OutriderError);
  assert(error.message.length < 500);
  const twice = concat(encodeGguf({ metadata: new Map(), tensors })).slice();
  new DataView(twice.buffer).setBigUint64(8, 2n, true);
  const second = await assertRejects(() => openGgufModel(memorySource(twice)), OutriderError);
  assert(second.message.length < 500);
});
