/** A model's first layers as a draft of the whole: no copies, the same bits, lossless. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  draftModel,
  generate,
  limit,
  llamaModel,
  speculative,
  temperature,
  verifyToken,
} from "../../src/decode/mod.ts";
import { earlyExit, parameterCount } from "../../src/nn/mod.ts";
import { createDevice, uploadTree } from "../../src/runtime/mod.ts";
import { CONFIGS, smallConfig, smallWeights } from "./small_models.ts";

const PROMPT = [3, 1, 4, 1, 5];

for (const [special, config] of Object.entries(CONFIGS)) {
  Deno.test(`the first layer of a Llama with ${special} is a model of one layer`, async () => {
    const device = createDevice(wasmBackend());
    const weights = smallWeights(config);
    const parameters = uploadTree(device, weights);
    const before = device.counters().liveSlots;
    const early = earlyExit(config, parameters, 1);
    assertEquals(device.counters().liveSlots, before, "nothing is copied");
    const alone = uploadTree(device, { ...weights, layers: weights.layers.slice(0, 1) });
    const logitsOf = async (model: ReturnType<typeof llamaModel>) => {
      const { cache, logits } = await model.forward(model.open(), PROMPT, PROMPT.length);
      const rows = logits.map((row) => [...row]);
      model.close(cache);
      return rows;
    };
    const own = { ...config, layers: 1 };
    assertEquals(
      await logitsOf(llamaModel({ device, config: early.config, parameters: early.parameters })),
      await logitsOf(llamaModel({ device, config: own, parameters: alone })),
    );
    device.close();
  });
}

Deno.test("a model drafts for itself: all layers stand always, fewer change no text", async () => {
  const config = smallConfig({ layers: 4 });
  const device = createDevice(wasmBackend());
  const parameters = uploadTree(device, smallWeights(config));
  const target = llamaModel({ device, config, parameters });
  for (const warp of [temperature(0), temperature(1)]) {
    const key = keyOf(5);
    const plain = await generate(limit(autoregressive({ target, warp }), 40), PROMPT, { key });
    for (const layers of [1, 2, 4]) {
      const early = earlyExit(config, parameters, layers);
      const model = llamaModel({ device, config: early.config, parameters: early.parameters });
      const parts = { target, draft: draftModel(model), verify: verifyToken, warp, gamma: 3 };
      const drafted = await generate(limit(speculative(parts), 40), PROMPT, { key });
      if (warp.only !== undefined) assertEquals(drafted.tokens, plain.tokens);
      const everything = drafted.reports.every(({ accepted, drafted }) => accepted === drafted);
      assertEquals(everything || layers < 4, true, "the whole model agrees with itself");
    }
  }
  device.close();
});

Deno.test("the share read counts what a token's pass reads: a head, but no table to look up in", () => {
  const share = (tiedEmbeddings: boolean, layers: number): number => {
    const config = smallConfig({ layers: 4, tiedEmbeddings });
    return earlyExit(config, smallWeights(config), layers).shareRead;
  };
  assertEquals([share(true, 4), share(false, 4)], [1, 1]);
  const tied = smallConfig({ layers: 4 });
  const whole = parameterCount(tied);
  assertEquals(share(true, 1), parameterCount({ ...tied, layers: 1 }) / whole);
  const row = tied.width;
  assertEquals(share(false, 1), (parameterCount({ ...tied, layers: 1 }) + row) / (whole + row));
  assert(share(true, 2) > share(true, 1));
});

Deno.test("a model has no layers before its first or behind its last", () => {
  const config = smallConfig();
  for (const layers of [0, -1, 1.5, 3, NaN]) {
    assertThrows(() => earlyExit(config, smallWeights(config), layers), OutriderError, "1 to 2");
  }
});
