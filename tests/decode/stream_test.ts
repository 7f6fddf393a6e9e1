/** Streams: what comes out, and that caches are released however a stream ends. */
import { assertEquals, assertRejects } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  draftModel,
  generate,
  limit,
  speculative,
  stream,
  streamText,
  temperature,
  untilText,
  verifyBlock,
} from "../../src/decode/mod.ts";
import { counted, hashModel } from "./mock_models.ts";

const key = keyOf(4);
const prompt = [1, 2, 3];

function setting() {
  const target = counted(hashModel(1, 5, 200));
  const drafter = counted(hashModel(2, 5, 200));
  const warp = temperature(0.7);
  const options = { target, draft: draftModel(drafter), verify: verifyBlock, warp, gamma: 3 };
  const alive = () => target.alive() + drafter.alive();
  return { decoder: limit(speculative(options), 50), alive, target };
}

Deno.test("a stream gives the tokens that generate collects", async () => {
  const { decoder, alive } = setting();
  const streamed = await Array.fromAsync(stream(decoder, prompt, { key }));
  assertEquals(streamed, [...(await generate(decoder, prompt, { key })).tokens]);
  assertEquals([streamed.length, alive()], [50, 0]);
});

Deno.test("the same key gives the same tokens, another key others", async () => {
  const { decoder } = setting();
  const texts = [];
  for (const seed of [4, 4, 5]) {
    texts.push((await generate(decoder, prompt, { key: keyOf(seed) })).tokens.join(" "));
  }
  assertEquals([texts[0] === texts[1], texts[0] === texts[2]], [true, false]);
});

Deno.test("leaving the loop releases the caches", async () => {
  const { decoder, alive } = setting();
  for await (const _ of stream(decoder, prompt, { key })) break;
  assertEquals(alive(), 0);
});

Deno.test("throwing inside the loop releases the caches", async () => {
  const { decoder, alive } = setting();
  await assertRejects(async () => {
    for await (const _ of stream(decoder, prompt, { key })) throw new Error("reader gone");
  });
  assertEquals(alive(), 0);
});

Deno.test("a stream that nobody reads opens nothing", async () => {
  const { decoder, alive, target } = setting();
  const unread = stream(decoder, prompt, { key });
  await unread.return(undefined);
  assertEquals([alive(), target.passes.length], [0, 0]);
});

Deno.test("an abort releases a waiting stream at once and rejects its next token", async () => {
  const { decoder, alive } = setting();
  const controller = new AbortController();
  const tokens = stream(decoder, prompt, { key, signal: controller.signal });
  await tokens.next();
  controller.abort(new Error("stop it"));
  assertEquals(alive(), 0);
  await assertRejects(() => Array.fromAsync(tokens), Error, "stop it");
});

Deno.test("an abort during a step takes effect when the step is done", async () => {
  const { decoder, alive } = setting();
  const controller = new AbortController();
  const tokens = stream(decoder, prompt, { key, signal: controller.signal });
  await tokens.next();
  const inTheStep = Array.fromAsync(tokens);
  await Promise.resolve();
  controller.abort();
  await assertRejects(() => inTheStep, DOMException, "aborted");
  assertEquals(alive(), 0);
});

Deno.test("a signal that was aborted before opens nothing", async () => {
  const { decoder, target } = setting();
  const signal = AbortSignal.abort();
  await assertRejects(() => generate(decoder, prompt, { key, signal }), DOMException);
  assertEquals(target.passes, []);
});

Deno.test("an abort after the end changes nothing", async () => {
  const { decoder, alive } = setting();
  const controller = new AbortController();
  const { finish } = await generate(decoder, prompt, { key, signal: controller.signal });
  controller.abort();
  assertEquals([finish, alive()], ["limit", 0]);
});

Deno.test("reports arrive with the tokens, one per target pass", async () => {
  const { decoder, target } = setting();
  let emitted = 0;
  let passes = 0;
  const onReport = (report: { emitted: number }) => {
    emitted += report.emitted;
    passes++;
  };
  const tokens = await Array.fromAsync(stream(decoder, prompt, { key, onReport }));
  assertEquals([emitted, passes], [tokens.length, target.passes.length - 1]);
});

Deno.test("a text stream is released by an abort as well", async () => {
  const { decoder, alive } = setting();
  const controller = new AbortController();
  const textOf = (tokens: readonly number[]) => tokens.join("");
  const pieces = streamText(untilText(decoder, { textOf }), prompt, {
    key,
    signal: controller.signal,
  });
  await pieces.next();
  controller.abort();
  assertEquals(alive(), 0);
  await pieces.return(undefined);
});
