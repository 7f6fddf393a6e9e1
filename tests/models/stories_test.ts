/** A real model of 260 thousand parameters: its golden text, and the backends against each other. */
import { assert, assertEquals } from "@std/assert";
import { referenceBackend } from "../../src/backends/reference/mod.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import {
  draftModel,
  draftPromptLookup,
  llamaModel,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";
import { type Backend, createDevice } from "../../src/runtime/mod.ts";
import golden from "../golden/stories260K_greedy.json" with { type: "json" };
import { STORIES, withWeights } from "./files.ts";
import { assertSameBits, assertSameText, draftedText, plainText } from "./watched.ts";

const ignore = STORIES === undefined;
const TEXT = [...golden.promptTokens, ...golden.tokens];

/** The largest error of a row of logits, relative to the largest logit. */
function largestError(row: Float32Array, wanted: Float32Array): number {
  const size = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return row.reduce((most, value, id) => Math.max(most, Math.abs(value - wanted[id])), 0) / size;
}

/** The logits after every token of the golden text, in one pass. */
async function forcedLogits(backend: Backend): Promise<readonly Float32Array[]> {
  const device = createDevice(backend);
  const logits = await withWeights(device, STORIES, "f32", async ({ file, parameters }) => {
    const model = llamaModel({ device, config: file.config, parameters });
    const passed = await model.forward(model.open(), TEXT, TEXT.length);
    model.close(passed.cache);
    return passed.logits;
  });
  assertEquals(device.counters().liveSlots, 0);
  device.close();
  return logits;
}

Deno.test({
  name: "stories260K (shared data): the greedy text of 64 tokens is the golden one",
  ignore,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, STORIES, "keep", async ({ file, parameters }) => {
      const model = llamaModel({ device, config: file.config, parameters });
      assertEquals(file.tokenizer.encode(golden.prompt), golden.promptTokens);
      const { tokens } = await plainText(model, golden.promptTokens, { maxTokens: 64 });
      assertEquals(tokens, golden.tokens);
      assertEquals(file.tokenizer.decode(tokens), golden.text);
    });
    device.close();
  },
});

Deno.test({
  name:
    "stories260K (shared data): with an f16 cache the greedy text is the golden one, and logits " +
    "are off by at most 2^-9 of the largest",
  ignore,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, STORIES, "keep", async ({ file, parameters }) => {
      const { config } = file;
      const halves = llamaModel({ device, config, parameters, cacheType: "f16" });
      const { tokens } = await plainText(halves, golden.promptTokens, { maxTokens: 64 });
      assertEquals(tokens, golden.tokens);
      const whole = llamaModel({ device, config, parameters });
      const [expected, found] = [
        await whole.forward(whole.open(), TEXT, TEXT.length),
        await halves.forward(halves.open(), TEXT, TEXT.length),
      ];
      const errors = expected.logits.map((row, place) => largestError(found.logits[place], row));
      const worst = Math.max(...errors);
      assert(worst > 0 && worst <= 2 ** -9, `${worst} of the largest logit`);
      whole.close(expected.cache);
      halves.close(found.cache);
    });
    device.close();
  },
});

Deno.test({
  name:
    "stories260K (shared data): logits on wasm and on the reference agree to 1e-5 of the largest",
  ignore,
  fn: async () => {
    const expected = await forcedLogits(referenceBackend());
    for (const backend of [wasmBackend(), wasmBackend({ relaxedMadd: "absent" })]) {
      const found = await forcedLogits(backend);
      const errors = found.map((row, place) => largestError(row, expected[place]));
      const largest = Math.max(...errors);
      assert(largest < 1e-5, `relative error ${largest}`);
    }
  },
});

Deno.test({
  name:
    "stories260K (shared data): logits of the text in one pass are those of decoding, bit for bit",
  ignore,
  fn: async () => {
    const forced = await forcedLogits(wasmBackend());
    const device = createDevice(wasmBackend());
    await withWeights(device, STORIES, "f32", async ({ file, parameters }) => {
      const model = llamaModel({ device, config: file.config, parameters });
      const { logits } = await plainText(model, golden.promptTokens, { maxTokens: 64 });
      const before = golden.promptTokens.length - 1;
      logits.forEach((row, i) => assertSameBits(row, forced[before + i], `token ${i}`));
    });
    device.close();
  },
});

Deno.test({
  name:
    "stories260K (shared data): speculative text and its logits are the plain ones, gammas 1 to 8",
  ignore,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, STORIES, "keep", async ({ file, parameters }) => {
      const model = llamaModel({ device, config: file.config, parameters });
      const ending = { maxTokens: 80 };
      const expected = await plainText(model, golden.promptTokens, ending);
      for (let gamma = 1; gamma <= 8; gamma++) {
        for (const verify of [verifyToken, verifyBlock]) {
          const lookup = { draft: draftPromptLookup(), gamma, verify };
          const looked = await draftedText(model, lookup, golden.promptTokens, ending);
          assertSameText(looked, expected, `lookup, gamma ${gamma}`);
          const self = { draft: draftModel(model), gamma, verify };
          const own = await draftedText(model, self, golden.promptTokens, ending);
          assertSameText(own, expected, `self-draft, gamma ${gamma}`);
          const refused = own.reports.filter(({ drafted, accepted }) => accepted < drafted);
          assertEquals(refused.length, 0, "a model accepts its own draft");
        }
      }
    });
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  },
});
