/** Drafters by themselves: what they propose, and what they leave in their caches. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { keyOf, uniform } from "../../src/core/random.ts";
import {
  type Draft,
  draftFirst,
  draftModel,
  draftPromptLookup,
  type DraftRequest,
  lookUp,
  temperature,
} from "../../src/decode/mod.ts";
import { counted, hashModel } from "./mock_models.ts";

function request(context: readonly number[], gamma: number, vocabulary = 4): DraftRequest {
  const coin = (position: number) => uniform(keyOf(position));
  return { context, gamma, vocabulary, warp: temperature(1), coin };
}

Deno.test("a draft model catches up with exactly the tokens that it has not seen", async () => {
  const model = counted(hashModel(1, 4));
  const draft = draftModel(model);
  const prompt = [0, 1, 2, 3];
  const first = await draft.propose(await draft.init(prompt), request(prompt, 3));
  assertEquals(model.passes, [3, 1, 1, 1]);
  const text = [...prompt, ...first.tokens, 2];
  const kept = draft.commit(first.state, prompt.length + 3);
  const second = await draft.propose(kept, request(text, 2));
  assertEquals(model.passes.slice(4), [2, 1], "the last draft and the bonus token come together");
  draft.close(second.state);
  assertEquals(model.alive(), 0);
});

Deno.test("after a rollback a draft model proposes what a fresh one proposes", async () => {
  for (let accepted = 0; accepted <= 4; accepted++) {
    const draft = draftModel(hashModel(2, 4));
    const prompt = [3, 1];
    const first = await draft.propose(await draft.init(prompt), request(prompt, 4));
    const text = [...prompt, ...first.tokens.slice(0, accepted), 0];
    const kept = draft.commit(first.state, prompt.length + accepted);
    const continued = await draft.propose(kept, request(text, 3));
    const fresh = await draft.propose(await draft.init(text), request(text, 3));
    assertEquals(continued.tokens, fresh.tokens);
    assertEquals(continued.probs, fresh.probs);
  }
});

Deno.test("a draft model proposes less, then nothing, where its context ends", async () => {
  const model = counted(hashModel(3, 4, 6));
  const draft = draftModel(model);
  const lengths = [];
  for (const length of [1, 4, 5, 6, 7, 12]) {
    const context = Array.from({ length }, (_, i) => i % 4);
    const { state, tokens } = await draft.propose(await draft.init(context), request(context, 3));
    lengths.push(tokens.length);
    draft.close(state);
  }
  assertEquals(lengths, [3, 3, 2, 1, 0, 0]);
  assertEquals(model.alive(), 0);
});

Deno.test("a draft model of another vocabulary is refused, and its cache released", async () => {
  const model = counted(hashModel(5, 4));
  const draft = draftModel(model);
  const state = await draft.init([1, 2]);
  await assertRejects(() => draft.propose(state, request([1, 2], 2, 7)), Error, "vocabulary of 7");
  assertEquals(model.alive(), 0);
});

Deno.test("prompt lookup continues the last occurrence of the longest suffix", () => {
  const text = [1, 2, 3, 9, 2, 3, 7, 1, 2, 3];
  assertEquals(lookUp(text, 2, 3, 1), [9, 2], "three tokens match only at the start");
  assertEquals(lookUp(text, 2, 2, 1), [7, 1], "two tokens match later as well");
  assertEquals(lookUp([1, 2, 3, 4], 2, 3, 1), [], "nothing repeats");
  assertEquals(lookUp([5, 1, 2, 6, 2], 2, 3, 2), [], "one token is too short a match");
  assertEquals(lookUp([4], 2, 3, 1), []);
});

Deno.test("prompt lookup carries a rhythm on beyond the text", () => {
  assertEquals(lookUp([7, 7], 4, 3, 1), [7, 7, 7, 7]);
  assertEquals(lookUp([1, 2, 3, 1, 2, 3], 5, 3, 1), [1, 2, 3, 1, 2]);
});

Deno.test("prompt lookup agrees with a search by definition", () => {
  for (let seed = 0; seed < 200; seed++) {
    const length = 1 + seed % 20;
    const text = Array.from({ length }, (_, i) => Math.floor(uniform(keyOf(seed * 100 + i)) * 3));
    for (const [longest, shortest] of [[3, 1], [4, 2], [1, 1]]) {
      const found = lookUp(text, 1, longest, shortest);
      assertEquals(found, lookUpByDefinition(text, longest, shortest));
    }
  }
});

function lookUpByDefinition(text: readonly number[], longest: number, shortest: number): number[] {
  for (let size = longest; size >= shortest; size--) {
    const suffix = text.slice(-size).join(" ");
    for (let begin = text.length - size - 1; begin >= 0; begin--) {
      if (text.slice(begin, begin + size).join(" ") === suffix) return [text[begin + size]];
    }
  }
  return [];
}

Deno.test("prompt lookup refuses suffix lengths that make no sense", () => {
  for (const options of [{ shortest: 0 }, { longest: 1, shortest: 2 }, { longest: 1.5 }]) {
    assertThrows(() => draftPromptLookup(options), Error, "1 <= shortest <= longest");
  }
});

Deno.test("the second of two drafters drafts where the first has nothing, and misses no token", async () => {
  const model = counted(hashModel(6, 4));
  const draft = draftFirst(draftPromptLookup({ shortest: 2 }), draftModel(model));
  const prompt = [0, 1, 2];
  const fresh = await draft.propose(await draft.init(prompt), request(prompt, 2));
  assertEquals(model.passes, [2, 1, 1], "the model drafted");
  const repeating = [...prompt, 3, 3, 0, 1];
  const copied = await draft.propose(draft.commit(fresh.state, 3), request(repeating, 2));
  assertEquals([copied.tokens, model.passes.length], [[2, 3], 3], "the text drafted");
  const text = [...repeating, 2, 3, 2];
  const last = await draft.propose(draft.commit(copied.state, 9), request(text, 2));
  assertEquals(model.passes.slice(3), [7, 1], "the model read what the text had drafted");
  const alone = draftModel(hashModel(6, 4));
  const own = await alone.propose(await alone.init(text), request(text, 2));
  assertEquals([last.tokens, last.probs], [own.tokens, own.probs]);
  draft.close(last.state);
  assertEquals(model.alive(), 0);
});

Deno.test("where one of two drafters fails, the other one's state is released", async () => {
  const failing: Draft<null> = {
    init: () => Promise.resolve(null),
    propose: () => Promise.reject(new Error("no draft today")),
    commit: () => null,
    close: () => {},
  };
  const model = counted(hashModel(7, 4, 2));
  const check = async <State>(both: Draft<State>): Promise<void> => {
    const state = await both.init([0]);
    await assertRejects(() => both.propose(state, request([0, 1, 2], 2)), Error, "no draft today");
    assertEquals(model.alive(), 0);
  };
  await check(draftFirst(failing, draftModel(model)));
  // The context is full, so the model has nothing to propose.
  await check(draftFirst(draftModel(model), failing));
});
