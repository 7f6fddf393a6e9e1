/** A chat's next turn reads only what is new, and answers as if it had read everything. */
import { assertEquals, assertRejects } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  draftPromptLookup,
  generate,
  type LanguageModel,
  limit,
  rememberPrefix,
  speculative,
  temperature,
  type TokenId,
  verifyBlock,
} from "../../src/decode/mod.ts";
import { counted, hashModel } from "./mock_models.ts";
import { openTiny, TINY, tokensOf } from "./tiny_llama.ts";

/** A sampled answer, plain or with prompt lookup ahead. */
function answer<Cache>(
  target: LanguageModel<Cache>,
  prompt: readonly TokenId[],
  gamma: number,
): Promise<{ readonly tokens: readonly TokenId[] }> {
  const warp = temperature(0.8);
  const key = keyOf(prompt.length);
  if (gamma === 0) return generate(limit(autoregressive({ target, warp }), 20), prompt, { key });
  const draft = draftPromptLookup();
  const decoder = speculative({ target, draft, verify: verifyBlock, warp, gamma });
  return generate(limit(decoder, 20), prompt, { key });
}

for (const gamma of [0, 4]) {
  Deno.test(`a talk with a remembering model has the tokens of a fresh one, gamma ${gamma}`, async () => {
    const { device, model, parameterSlots } = openTiny({ firstSlots: 16 });
    const remembering = rememberPrefix(model);
    let text: TokenId[] = [];
    for (let turn = 0; turn < 6; turn++) {
      // Turn 3 is another talk that shares its beginning, turn 4 one that shares nothing.
      if (turn === 3) text = text.slice(0, 30);
      if (turn === 4) text = [];
      text = [...text, ...tokensOf(turn, 25)];
      const found = await answer(remembering, text, gamma);
      assertEquals(found.tokens, (await answer(model, text, gamma)).tokens, `turn ${turn}`);
      text = [...text, ...found.tokens];
    }
    remembering.forget();
    assertEquals(device.counters().liveSlots, parameterSlots);
    device.close();
  });
}

Deno.test("only tokens that the last text does not begin with are read", async () => {
  const inner = counted(hashModel(1, 10, 200));
  const model = rememberPrefix(inner);
  const read = async (text: readonly TokenId[], wanted = 1): Promise<number[]> => {
    const from = inner.passes.length;
    const passed = await model.forward(model.open(), text, wanted);
    model.close(passed.cache);
    return inner.passes.slice(from);
  };
  assertEquals(await read([1, 2, 3, 4, 5]), [5]);
  assertEquals(await read([1, 2, 3, 4, 5, 6, 7]), [2]);
  assertEquals(await read([1, 2, 3, 9]), [1]);
  assertEquals(await read([1, 2, 3, 9]), [1], "the last token is read again for its logits");
  assertEquals(await read([1, 2, 3, 9], 3), [3]);
  assertEquals(await read([8, 1, 2]), [3]);
  assertEquals(inner.alive(), 1);
  model.forget();
  assertEquals(inner.alive(), 0);
  assertEquals(await read([8, 1, 2]), [3]);
});

Deno.test("two texts at once are both right, and one cache is kept", async () => {
  const inner = counted(hashModel(2, 10, 200));
  const model = rememberPrefix(inner);
  const fresh = hashModel(2, 10, 200);
  const a = await model.forward(model.open(), [1, 2, 3], 1);
  const b = await model.forward(model.open(), [1, 2, 4], 1);
  assertEquals(a.logits, (await fresh.forward(fresh.open(), [1, 2, 3], 1)).logits);
  assertEquals(b.logits, (await fresh.forward(fresh.open(), [1, 2, 4], 1)).logits);
  model.close(a.cache);
  model.close(b.cache);
  model.close(b.cache);
  assertEquals(inner.alive(), 1);
  await assertRejects(() => model.forward(a.cache, [1], 1), Error, "taken by close");
});

Deno.test("a text that is refused leaves nothing behind", async () => {
  const { device, model, parameterSlots } = openTiny();
  const remembering = rememberPrefix(model);
  const passed = await remembering.forward(remembering.open(), tokensOf(1, 30), 1);
  remembering.close(passed.cache);
  const long = tokensOf(1, TINY.contextLength + 1);
  const cache = remembering.open();
  await assertRejects(() => remembering.forward(cache, long, 1), Error, "at most 700 tokens");
  remembering.close(cache);
  remembering.forget();
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});
