import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import {
  type Conversation,
  conversation,
  document,
  heldOutPrompts,
  LANGUAGE_KINDS,
  trainingConversations,
} from "../../src/data/mod.ts";

const sample: readonly Conversation[] = [...trainingConversations(11).take(4000)];
const exchanges = sample.flatMap(({ messages }) =>
  messages.flatMap(({ role, content }, index) =>
    role === "user" ? [{ prompt: content, answer: messages[index + 1].content }] : []
  )
);

Deno.test("the same key gives the same conversation and another key another one", () => {
  assertEquals(conversation(keyOf(5)), conversation(keyOf(5)));
  assertNotEquals(conversation(keyOf(5)), conversation(keyOf(6)));
  assertEquals(conversation(foldIn(keyOf(11), 17)), sample[17]);
});

Deno.test("conversations alternate between user and assistant and end with the assistant", () => {
  for (const { messages } of sample) {
    assertEquals(messages.length % 2, 0);
    messages.forEach(({ role, content }, index) => {
      assertEquals(role, index % 2 === 0 ? "user" : "assistant");
      assert(content.length > 0);
    });
  }
});

Deno.test("every kind occurs in training", () => {
  const seen = new Set(sample.map(({ kind }) => kind));
  assertEquals(LANGUAGE_KINDS.filter((kind) => !seen.has(kind)), []);
});

Deno.test("texts have no unfilled template, double space or wrong article", () => {
  for (const { prompt, answer } of exchanges) {
    for (const text of [prompt, answer]) {
      assert(!/[{}]|undefined|a\(n\)| {2}|\.\./.test(text), text);
      assert(!/\b[Aa] [aeiou]/.test(text.replace(/[a-z]-[a-z-]*/g, "")), text);
      assert(!/\b[Aa]n [^aeiou]/.test(text), text);
    }
    assert(/^["A-Z0-9]/.test(answer), answer);
    assert(/[.!?"]$/.test(answer), answer);
  }
});

Deno.test("no held-out prompt occurs in training, however it is capitalised or punctuated", () => {
  const normal = (text: string): string => text.toLowerCase().replace(/[.?!]$/, "");
  const trained = new Set(
    [...trainingConversations(3).take(30_000)].flatMap(({ messages }) =>
      messages.map(({ content }) => normal(content))
    ),
  );
  const heldOut = heldOutPrompts(4, 1000);
  assertEquals(heldOut.length, 1000);
  assertEquals(heldOut.filter(({ prompt }) => trained.has(normal(prompt))), []);
});

Deno.test("held-out sums use pairs of operands that no training sum uses, in any wording", () => {
  const pairOf = (prompt: string): string | undefined =>
    prompt.match(/(?:plus|\+|Add|add|do) ?/) === null
      ? undefined
      : prompt.match(/\d+/g)?.slice(0, 2).join("+");
  const trained = new Set(exchanges.map(({ prompt }) => pairOf(prompt)));
  const heldOut = heldOutPrompts(9, 700).filter(({ kind, prompt }) => {
    return kind === "sum" && /\d\d/.test(prompt);
  });
  assert(heldOut.length > 10);
  for (const { prompt } of heldOut) assert(!trained.has(pairOf(prompt)), prompt);
});

Deno.test("held-out prompts come from many kinds, and too many of them are refused", () => {
  assert(new Set(heldOutPrompts(1, 200).map(({ kind }) => kind)).size >= 30);
  assertThrows(() => heldOutPrompts(1, 10_000_000), OutriderError);
});

Deno.test("arithmetic answers are right, step by step", () => {
  const claims = exchanges.flatMap(({ answer }) => [
    ...answer.matchAll(/(\d+) (plus|minus|times) (\d+) is (\d+)/g),
  ]);
  assert(claims.length > 500);
  for (const [claim, a, word, b, result] of claims) {
    const [x, y] = [Number(a), Number(b)];
    assertEquals({ plus: x + y, minus: x - y, times: x * y }[word], Number(result), claim);
  }
});

Deno.test("lists come back sorted or reversed, and comparisons are true", () => {
  for (const { prompt, answer } of exchanges) {
    const ordered = answer.match(/^In order, the numbers are (.*)\.$/)?.[1].match(/\d+/g);
    if (ordered) assertEquals(ordered, ordered.toSorted((a, b) => Number(a) - Number(b)));
    const sorted = answer.match(/^In alphabetical order: (.*)\.$/)?.[1].split(", ");
    if (sorted) assertEquals(sorted, sorted.toSorted());
    const reversed = answer.match(/^In reverse order: (.*)\.$/)?.[1].split(", ");
    if (reversed) assert(prompt.includes(reversed.toReversed().join(", ")));
    const bigger = answer.match(/(\d+) is bigger than (\d+)/);
    if (bigger) assert(Number(bigger[1]) > Number(bigger[2]), answer);
  }
});

Deno.test("spelled words are the words asked for", () => {
  const spelled = exchanges.flatMap((
    { answer },
  ) => [...answer.matchAll(/^(\w+) is spelled (.*)\./g)]);
  assert(spelled.length > 100);
  for (const [, word, letters] of spelled) {
    assertEquals(letters.replaceAll("-", ""), word.toLowerCase());
  }
});

Deno.test("facts never contradict each other", () => {
  const facts = new Map<string, string>();
  for (const { answer } of exchanges) {
    for (
      const [, subject, verb, rest] of answer.matchAll(/An? (\w+) (says|eats|lives) ([^.,]+)[.]/g)
    ) {
      if (/ and | eats /.test(rest)) continue;
      const key = `${subject} ${verb}`;
      assertEquals(facts.get(key) ?? rest, rest, key);
      facts.set(key, rest);
    }
  }
  assert(facts.size > 50);
});

Deno.test("a story keeps to the hero and the object it was asked for", () => {
  const asked = exchanges.flatMap(({ prompt, answer }) => {
    const match = prompt.match(/story about an? (\w+) (?:and|with) an? (\w+)/);
    return match ? [{ hero: match[1], object: match[2], answer }] : [];
  });
  assert(asked.length > 100);
  for (const { hero, object, answer } of asked) {
    assert(answer.includes(hero), answer);
    assert(answer.split(object).length > 2, answer);
  }
});

Deno.test("documents are repeatable plain text", () => {
  for (let i = 0; i < 200; i++) {
    const text = document(keyOf(i));
    assertEquals(text, document(keyOf(i)));
    assert(text.length > 100 && !/[{}]/.test(text));
  }
});
