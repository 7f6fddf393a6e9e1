/** A trimmed draft proposes only its own tokens, and what is emitted is the target's law all the same. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf, uniform } from "../../src/core/random.ts";
import {
  chainWarps,
  draftModel,
  type DraftRequest,
  functionModel,
  logitsOf,
  measureCosts,
  minP,
  probabilities,
  type Probs,
  repetitionPenalty,
  temperature,
  type TokenId,
  topK,
  topP,
  type Warp,
} from "../../src/decode/mod.ts";
import { type TrimmedVocabulary, trimmedVocabulary } from "../../src/nn/mod.ts";
import { assertExact, blockLaw, type Distribution, emission, tokenLaw } from "./enumeration.ts";
import { counted, hashLogits, hashModel, trimmedModel } from "./mock_models.ts";

const WARPS: Readonly<Record<string, Warp>> = {
  "no warp": chainWarps(),
  "temperature 0.7": temperature(0.7),
  "temperature 0": temperature(0),
  "top-k 2": topK(2),
  "top-p 0.8": topP(0.8),
  "min-p 0.3": minP(0.3),
  "repetition penalty 1.5": repetitionPenalty(1.5),
  "all of them": chainWarps(
    repetitionPenalty(1.3),
    temperature(0.8),
    topK(3),
    topP(0.9),
    minP(0.05),
  ),
  "penalty, then temperature 0": chainWarps(repetitionPenalty(1.8), temperature(0)),
};

const VOCABULARY = 4;
/** Trims of four tokens; the texts below hold tokens that lie outside most of them. */
const TRIMS = [[2], [0, 3], [1, 2], [0, 1, 3], [0, 1, 2, 3]].map((ids) =>
  trimmedVocabulary(ids, VOCABULARY)
);

function requestOf(context: readonly TokenId[], gamma: number, warp: Warp): DraftRequest {
  const coin = (position: number) => uniform(keyOf(position));
  return { context, gamma, vocabulary: VOCABULARY, warp, coin };
}

/** Every text that begins with `text` and is at most `more` tokens longer. */
function textsFrom(text: readonly TokenId[], more: number): (readonly TokenId[])[] {
  if (more === 0) return [text];
  const tokens = Array.from({ length: VOCABULARY }, (_, token) => token);
  return [text, ...tokens.flatMap((token) => textsFrom([...text, token], more - 1))];
}

/** What a draft proposes after every text that a round of `gamma` can reach. */
async function proposals(
  draft: ReturnType<typeof draftModel<unknown>>,
  warp: Warp,
  text: readonly TokenId[],
  gamma: number,
): Promise<Distribution> {
  const known = new Map<string, Probs>();
  for (const context of textsFrom(text, gamma - 1)) {
    const { state, probs } = await draft.propose(
      await draft.init(context),
      requestOf(context, 1, warp),
    );
    known.set(context.join(" "), probs[0]);
    draft.close(state);
  }
  return (context) => {
    const probs = known.get(context.join(" "));
    if (probs === undefined) throw new Error(`no proposal after ${context}`);
    return probs;
  };
}

for (const law of [tokenLaw, blockLaw]) {
  for (const [name, warp] of Object.entries(WARPS)) {
    Deno.test(`${law.name} with a trimmed draft emits the target's joint distribution with ${name}`, async () => {
      for (const vocabulary of TRIMS) {
        for (const gamma of [1, 2, 3]) {
          for (const seed of [1, 2, 3]) {
            const logits = hashLogits(seed, VOCABULARY);
            const target: Distribution = (prefix) =>
              probabilities(warp, logitsOf(logits(prefix)), prefix);
            const models = [
              hashModel(seed + 100, vocabulary.classes),
              trimmedModel(logits, vocabulary),
            ];
            for (const model of models) {
              const text = [0, 1];
              const draft = await proposals(draftModel(model, { vocabulary }), warp, text, gamma);
              assertExact(emission(law, draft, target, text, gamma), target, text, gamma);
            }
          }
        }
      }
    });
  }
}

Deno.test("a trimmed draft proposes its own tokens alone, whatever lies outside in the text", async () => {
  for (const warp of Object.values(WARPS)) {
    for (const vocabulary of TRIMS) {
      const draft = draftModel(hashModel(7, vocabulary.classes), { vocabulary });
      for (const context of textsFrom([0], 2)) {
        const request = requestOf(context, 3, warp);
        const { state, tokens, probs } = await draft.propose(await draft.init(context), request);
        draft.close(state);
        assertEquals(tokens.length, 3);
        tokens.forEach((token, i) => assert(probs[i][token] > 0));
        for (const row of Array.from(probs)) {
          assertEquals(row.length, VOCABULARY);
          row.forEach((p, token) =>
            assert(p === 0 || vocabulary.classOf(token) !== vocabulary.other)
          );
        }
      }
    }
  }
});

Deno.test("a draft that keeps every token proposes what the untrimmed draft does", async () => {
  const whole = trimmedVocabulary([0, 1, 2, 3], VOCABULARY);
  for (const warp of Object.values(WARPS)) {
    for (let seed = 0; seed < 20; seed++) {
      const logits = hashLogits(seed, VOCABULARY);
      const plain = functionModel({ vocabulary: 4, contextLength: 32, logits });
      const larger = functionModel({
        vocabulary: 5,
        contextLength: 32,
        logits: (prefix) => [...logits(prefix), 9],
      });
      const request = requestOf([seed % 4, 1, 2], 4, warp);
      const drafts = [draftModel(plain), draftModel(larger, { vocabulary: whole })];
      const [expected, found] = await Promise.all(drafts.map(async (draft) => {
        const { state, tokens, probs } = await draft.propose(await draft.init([1]), request);
        draft.close(state);
        return { tokens, probs };
      }));
      assertEquals(found, expected);
    }
  }
});

Deno.test("a trimmed draft catches up with exactly the tokens that it has not seen", async () => {
  const vocabulary = trimmedVocabulary([0, 2], VOCABULARY);
  const model = counted(hashModel(1, 3));
  const draft = draftModel(model, { vocabulary });
  const prompt = [0, 1, 2, 3];
  const first = await draft.propose(await draft.init(prompt), requestOf(prompt, 3, temperature(1)));
  assertEquals(model.passes, [3, 1, 1, 1]);
  const text = [...prompt, ...first.tokens.slice(0, 1), 3];
  const kept = draft.commit(first.state, 5);
  const continued = await draft.propose(kept, requestOf(text, 2, temperature(1)));
  assertEquals(model.passes.slice(4), [1, 1]);
  const fresh = await draft.propose(await draft.init(text), requestOf(text, 2, temperature(1)));
  assertEquals([continued.tokens, continued.probs], [fresh.tokens, fresh.probs]);
  draft.close(continued.state);
  draft.close(fresh.state);
  assertEquals(model.alive(), 0);
});

Deno.test("a vocabulary that is not the model's or not of the target is refused, and the cache released", async () => {
  const vocabulary: TrimmedVocabulary = trimmedVocabulary([0, 2], VOCABULARY);
  const model = counted(hashModel(5, 3));
  assertThrows(() => draftModel(hashModel(5, 4), { vocabulary }), OutriderError, "3 classes");
  const draft = draftModel(model, { vocabulary });
  const request = { ...requestOf([1, 2], 2, temperature(0)), vocabulary: 7 };
  const state = await draft.init([1, 2]);
  await assertRejects(() => draft.propose(state, request), OutriderError, "vocabulary of 7");
  assertEquals(model.alive(), 0);
});

Deno.test("costs of a trimmed draft are measured as those of any other", async () => {
  const vocabulary = trimmedVocabulary([0, 2], VOCABULARY);
  let time = 0;
  const clocked = (model: ReturnType<typeof hashModel>, seconds: number) => ({
    ...model,
    forward: (...pass: Parameters<typeof model.forward>) => {
      time += seconds;
      return model.forward(...pass);
    },
  });
  const target = clocked(hashModel(1, VOCABULARY), 1);
  const draft = clocked(hashModel(2, 3), 0.25);
  const costs = await measureCosts(target, draft, { vocabulary, now: () => time });
  assertEquals(costs.draftCost, 0.25);
});
