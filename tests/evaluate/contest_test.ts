/** A contest of decoders that are complete is that of their parts. */
import { assertEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  draftPromptLookup,
  functionModel,
  speculative,
  temperature,
  verifyBlock,
} from "../../src/decode/mod.ts";
import { compareDrafts, contestant, readyContestant } from "../../src/evaluate/mod.ts";

Deno.test("decoders that are complete write and count what their parts do", async () => {
  const logits = (text: readonly number[]) => [0, 1, 2].map((id) => id === text.length % 3 ? 9 : 0);
  const target = functionModel({ vocabulary: 3, contextLength: 64, logits });
  const rules = { gamma: 4, verify: verifyBlock, warp: temperature(0) };
  const draft = draftPromptLookup();
  const ends = { maxTokens: 20, stopTokens: new Set<number>(), key: keyOf(1) };
  const names = { name: "lookup", sizeRatio: 0 };
  const prompts = [[0, 1, 2, 0, 1, 2], [0, 1]];
  const decoder = speculative({ target, draft, ...rules });
  const plain = readyContestant({
    name: "plain",
    sizeRatio: 0,
    decoder: autoregressive({ target, warp: rules.warp }),
  });
  const texts: (readonly number[])[] = [];
  const ready = await compareDrafts(target, [readyContestant({ ...names, decoder })], prompts, {
    ...rules,
    ...ends,
    plain: plain.write,
    onText: (_, tokens) => void texts.push(tokens),
  });
  const made = await compareDrafts(target, [contestant(target, { ...names, draft })], prompts, {
    ...rules,
    ...ends,
  });
  const counts = (rows: typeof ready) =>
    rows.map((
      { metrics: { tokens, targetPasses }, equalTexts },
    ) => [tokens, targetPasses, equalTexts]);
  assertEquals(counts(ready), counts(made));
  assertEquals(texts.map(({ length }) => length), [20, 20]);
});
