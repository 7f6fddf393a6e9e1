import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  backoffDelay,
  completionsUrl,
  type RemoteAnswer,
  remoteAnswers,
  type RemoteRequest,
  RETRY_POLICY,
  retryAfter,
  type RetryPolicy,
  withRetries,
} from "../../src/data/mod.ts";
import { type Behaviour, faultyServer } from "./faulty_server.ts";

const QUICK: RetryPolicy = { ...RETRY_POLICY, firstDelay: 2, longestDelay: 20, timeout: 1000 };

function requestsFor(indices: readonly number[]): RemoteRequest[] {
  return indices.map((index) => ({
    index,
    messages: [{ role: "user", content: `prompt ${index}` }],
    temperature: [0, 0.3, 0.7, 1][index % 4],
    topP: 0.95,
    seed: 1000 + index,
    maximumTokens: 32,
  }));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const answerTo = (prompt: string): Behaviour => ({ kind: "answer", text: `answer to ${prompt}` });

const FAULTS: readonly Behaviour[] = [
  { kind: "drop" },
  { kind: "truncate" },
  { kind: "hang" },
  { kind: "status", status: 429, after: "0.03" },
  { kind: "status", status: 429 },
  { kind: "status", status: 500, body: "not now" },
  { kind: "status", status: 503, after: "0" },
  { kind: "malformed", body: '{"choices":[{"mess' },
  { kind: "malformed", body: "" },
  { kind: "malformed", body: '{"choices":[]}' },
  { kind: "malformed", body: '{"choices":[{"message":{"content":null}}]}' },
];
const MOST_FAULTS = 5;

/** Three requests in five fail, in a way drawn from the key; the sixth for a prompt never does. */
function atRandom(seed: number): (prompt: string, attempt: number) => Behaviour {
  return (prompt, attempt) => {
    const key = foldIn(foldIn(keyOf(seed), prompt), attempt);
    if (attempt >= MOST_FAULTS || uniformInteger(foldIn(key, "fails"), 5) >= 3) {
      return answerTo(prompt);
    }
    return FAULTS[uniformInteger(key, FAULTS.length)];
  };
}

Deno.test("through every kind of failure each prompt is answered exactly once, never too many at a time", async () => {
  for (const concurrency of [1, 7, 32]) {
    const count = concurrency === 1 ? 12 : 150;
    const delayKey = keyOf(concurrency);
    let requests = 0;
    await using server = faultyServer(
      atRandom(concurrency),
      () => uniformInteger(foldIn(delayKey, requests++), 12),
    );
    const target = { url: server.url, model: "m" };
    const options = { concurrency, policy: QUICK, seed: 3 };
    const answers = await Array.fromAsync(
      remoteAnswers(target, requestsFor(upTo(count)), options),
    );
    assertEquals(answers.map(({ index }) => index).toSorted((a, b) => a - b), upTo(count));
    for (const { index, text, finishReason } of answers) {
      assertEquals([text, finishReason], [`answer to prompt ${index}`, "stop"]);
    }
    assert(server.mostOpen() <= concurrency, `${server.mostOpen()} of ${concurrency}`);
    const faults = server.seen.filter(({ behaviour }) => behaviour.kind !== "answer").length;
    assertEquals(server.seen.length, count + faults, "no request but the failed ones is repeated");
    assert(faults > count / 2);
    const kinds = new Set(server.seen.map(({ behaviour }) => JSON.stringify(behaviour.kind)));
    if (count > 100) assertEquals(kinds.size, 6);
  }
});

Deno.test("a request says what was asked, and carries the key", async () => {
  await using server = faultyServer((prompt) => ({ ...answerTo(prompt), finish: "length" }));
  const [request] = requestsFor([6]);
  const target = { url: `${server.url}/v1/`, model: "some model", apiKey: "secret-1" };
  const [answer] = await Array.fromAsync(
    remoteAnswers(target, [request], { concurrency: 2, seed: 0 }),
  );
  assertEquals(answer, { index: 6, text: "answer to prompt 6", finishReason: "length" });
  const [{ body, headers }] = server.seen;
  assertEquals(body, {
    model: "some model",
    messages: request.messages,
    temperature: 0.7,
    top_p: 0.95,
    seed: 1006,
    max_tokens: 32,
    stream: false,
  });
  assert(headers.startsWith("POST /v1/chat/completions HTTP/1.1"));
  assert(/^authorization: Bearer secret-1\r$/mi.test(headers));
});

Deno.test("a server's Retry-After is waited for", async () => {
  await using server = faultyServer((prompt, attempt) =>
    attempt === 0 ? { kind: "status", status: 429, after: "1" } : answerTo(prompt)
  );
  const options = { concurrency: 1, policy: QUICK, seed: 0 };
  const target = { url: server.url, model: "m" };
  const answers = await Array.fromAsync(remoteAnswers(target, requestsFor([0]), options));
  assertEquals(answers.length, 1);
  const [first, second] = server.seen;
  assert(second.time - first.time >= 995, `${second.time - first.time}`);
});

Deno.test("answers come as they are ready, not in the order of their numbers", async () => {
  await using server = faultyServer((prompt, attempt) =>
    prompt === "prompt 0" && attempt === 0
      ? { kind: "status", status: 503, after: "0.2" }
      : answerTo(prompt)
  );
  const options = { concurrency: 3, policy: QUICK, seed: 0 };
  const target = { url: server.url, model: "m" };
  const order: number[] = [];
  for await (const { index } of remoteAnswers(target, requestsFor(upTo(9)), options)) {
    order.push(index);
  }
  assert(order.indexOf(0) >= 6, `${order}`);
  assertEquals(order.toSorted(), upTo(9));
});

Deno.test("a run that is aborted anywhere goes on with the rest, and nothing is answered twice", async () => {
  for (const stopAfter of [0, 1, 5, 13]) {
    const abort = new AbortController();
    await using server = faultyServer(atRandom(stopAfter), () => 5);
    const target = { url: server.url, model: "m" };
    const options = { concurrency: 4, policy: QUICK, seed: 1, signal: abort.signal };
    const kept: RemoteAnswer[] = [];
    if (stopAfter === 0) abort.abort();
    for await (const answer of remoteAnswers(target, requestsFor(upTo(24)), options)) {
      kept.push(answer);
      // In the middle of the requests that are open.
      if (kept.length === stopAfter) setTimeout(() => abort.abort(), 2);
    }
    assert(kept.length >= stopAfter && kept.length < 24, `${kept.length}`);
    const done = new Set(kept.map(({ index }) => index));
    const rest = requestsFor(upTo(24).filter((index) => !done.has(index)));
    for await (const answer of remoteAnswers(target, rest, { ...options, signal: undefined })) {
      kept.push(answer);
    }
    assertEquals(kept.map(({ index }) => index).toSorted((a, b) => a - b), upTo(24));
  }
});

Deno.test("a reader that stops early leaves no request open", async () => {
  await using server = faultyServer(answerTo, () => 5);
  const options = { concurrency: 4, policy: QUICK, seed: 1 };
  const target = { url: server.url, model: "m" };
  for await (const _ of remoteAnswers(target, requestsFor(upTo(50)), options)) break;
  assert(server.seen.length <= 4);
});

Deno.test("a request that can never succeed is not repeated, and its error hides the key", async () => {
  for (const status of [401, 403, 404]) {
    const body = JSON.stringify({ error: { message: "no such key:\n secret-1" } });
    await using server = faultyServer(() => ({ kind: "status", status, body }));
    const target = { url: server.url, model: "m", apiKey: "secret-1" };
    const options = { concurrency: 4, policy: QUICK, seed: 1 };
    const error = await assertRejects(
      () => Array.fromAsync(remoteAnswers(target, requestsFor(upTo(50)), options)),
      OutriderError,
    );
    assertEquals(error.found, `status ${status}: no such key: ***`);
    assertFalse(error.message.includes("secret"));
    assert(server.seen.length <= 4);
  }
});

Deno.test("a prompt that the server refuses is said to be so, and the others are answered", async () => {
  const refused = { kind: "status", status: 400, body: '{"message":"too long"}' } as const;
  await using server = faultyServer((prompt) => prompt === "prompt 3" ? refused : answerTo(prompt));
  const options = { concurrency: 2, policy: QUICK, seed: 1 };
  const target = { url: server.url, model: "m" };
  const answers = await Array.fromAsync(remoteAnswers(target, requestsFor(upTo(8)), options));
  assertEquals(answers.length, 8);
  const refusals = answers.filter(({ refusal }) => refusal !== undefined);
  assertEquals(refusals, [
    { index: 3, text: "", finishReason: "refused", refusal: "status 400: too long" },
  ]);
  assertEquals(server.seen.length, 8);
});

Deno.test("a server that refuses every prompt is soon left alone", async () => {
  await using server = faultyServer(() => ({ kind: "status", status: 400, body: "no seed here" }));
  const options = { concurrency: 4, policy: QUICK, seed: 1 };
  const target = { url: server.url, model: "m" };
  await assertRejects(
    () => Array.fromAsync(remoteAnswers(target, requestsFor(upTo(500)), options)),
    OutriderError,
    "no seed here",
  );
  assert(server.seen.length < 24, `${server.seen.length}`);
});

Deno.test("a server that never recovers is an error after the attempts, and open answers are given first", async () => {
  await using server = faultyServer(
    (prompt) => prompt === "prompt 1" ? { kind: "drop" } : answerTo(prompt),
  );
  const options = { concurrency: 2, policy: { ...QUICK, attempts: 4 }, seed: 1 };
  const target = { url: server.url, model: "m" };
  const given: number[] = [];
  await assertRejects(
    async () => {
      for await (const { index } of remoteAnswers(target, requestsFor(upTo(500)), options)) {
        given.push(index);
      }
    },
    OutriderError,
    "within 4 attempts",
  );
  assertEquals(server.seen.filter(({ prompt }) => prompt === "prompt 1").length, 4);
  assertEquals(server.seen.length, given.length + 4);
});

Deno.test("a server that is not there, or asks to come back tomorrow, is one clear error", async () => {
  const options = { concurrency: 2, policy: { ...QUICK, attempts: 3 }, seed: 1 };
  const nowhere = { url: "http://127.0.0.1:1", model: "m" };
  await assertRejects(
    () => Array.fromAsync(remoteAnswers(nowhere, requestsFor([0]), options)),
    OutriderError,
    "127.0.0.1:1",
  );
  await using server = faultyServer(() => ({ kind: "status", status: 429, after: "86400" }));
  const target = { url: server.url, model: "m" };
  await assertRejects(
    () => Array.fromAsync(remoteAnswers(target, requestsFor([0]), options)),
    OutriderError,
    "86400 s",
  );
  assertEquals(server.seen.length, 1);
});

Deno.test("addresses are http, without a password, with or without the version", () => {
  for (const url of ["http://h:8000", "http://h:8000/", "http://h:8000/v1", "http://h:8000/v1/"]) {
    assertEquals(completionsUrl(url), "http://h:8000/v1/chat/completions");
  }
  assertEquals(completionsUrl("https://h/a/v1"), "https://h/a/v1/chat/completions");
  for (const url of ["localhost:8000", "ftp://h", "", "http://user:password@h"]) {
    const error = assertThrows(() => completionsUrl(url), OutriderError);
    assertFalse(error.message.includes("password@"));
  }
});

Deno.test("waits double up to the longest, are drawn from the key, and never less than half", () => {
  const policy = { firstDelay: 100, longestDelay: 3000 };
  for (let i = 0; i < 50; i++) {
    const key = foldIn(keyOf(1), i);
    for (let attempt = 0; attempt < 40; attempt++) {
      const longest = Math.min(3000, 100 * 2 ** attempt);
      const delay = backoffDelay(policy, attempt, key);
      assert(delay >= longest / 2 && delay < longest);
      assertEquals(delay, backoffDelay(policy, attempt, key));
    }
  }
  const delays = Array.from({ length: 50 }, (_, i) => backoffDelay(policy, 3, keyOf(i)));
  assertEquals(new Set(delays).size, 50);
});

Deno.test("Retry-After is seconds or a date, and anything else is as if it were absent", () => {
  const now = Date.parse("2026-11-27T12:00:00Z");
  assertEquals(["0", " 12 ", "1.5"].map((text) => retryAfter(text, now)), [0, 12_000, 1500]);
  assertEquals(retryAfter("Fri, 27 Nov 2026 11:00:00 GMT", now), 0);
  assertEquals([null, "", "soon", "-1 minutes"].map((text) => retryAfter(text, now)), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("a wait ends at once when the signal is aborted", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => abort.abort(reason), 5);
  const began = performance.now();
  const trying = withRetries(() => Promise.resolve({ kind: "again", reason: "busy" }), {
    what: "an answer",
    policy: { ...RETRY_POLICY, firstDelay: 30_000 },
    key: keyOf(1),
    signal: abort.signal,
  });
  assertEquals(await assertRejects(() => trying), reason);
  assert(performance.now() - began < 5000);
});
