/** Parts of the page that need no browser: the choice of a backend, the race, verdicts, views. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { agreementOf } from "../../examples/page/browser/agreement.ts";
import { chooseBackend } from "../../examples/page/browser/choose_backend.ts";
import { failureLine } from "../../examples/page/browser/failure_line.ts";
import { race, type Racer } from "../../examples/page/browser/race.ts";
import { createViewer } from "../../examples/page/browser/step_views.ts";
import { textVerdict } from "../../examples/page/browser/verdict.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { StepReport } from "../../src/decode/mod.ts";
import { tokenizerFromGguf } from "../../src/io/mod.ts";
import { tinyTokenizer } from "../io/tiny_model.ts";

const card = { found: "adapter", name: "a card", isSoftware: false } as const;
const software = { found: "adapter", name: "a renderer", isSoftware: true } as const;
const none = { found: "none", reason: "navigator.gpu is missing here" } as const;

Deno.test("WebGPU is taken where it is a card or asked for, Wasm everywhere else, with the reason", () => {
  const name = (
    wanted: "auto" | "webgpu" | "wasm",
    gpu: typeof card | typeof software | typeof none,
  ) => chooseBackend(wanted, { gpu, isolated: true }).name;
  assertEquals(
    [card, software, none].map((
      gpu,
    ) => [name("auto", gpu), name("webgpu", gpu), name("wasm", gpu)]),
    [["webgpu", "webgpu", "wasm"], ["wasm", "webgpu", "wasm"], ["wasm", "wasm", "wasm"]],
  );
  const reason = (wanted: "auto" | "webgpu", isolated: boolean) =>
    chooseBackend(wanted, { gpu: none, isolated }).reason;
  assertEquals(
    reason("webgpu", false),
    "You chose WebGPU, but navigator.gpu is missing here. " +
      "The page is not cross-origin isolated, so Wasm has one thread.",
  );
  assertMatch(reason("auto", true), /^There is no WebGPU: .+ so Wasm may use threads\.$/);
});

const report = (seconds: number, drafted = 0, accepted = 0, emitted = 1): StepReport => ({
  drafted,
  accepted,
  emitted,
  seconds: { prefill: 100, draft: 0, target: seconds, verify: 0, host: 0 },
});

/** A text of so many steps of so many seconds each, which writes its name into the log. */
function racer(name: string, steps: number, seconds: number, log: string[]): Racer {
  let left = steps;
  const step = () => {
    left--;
    log.push(name);
    const finish = left === 0 ? "stopToken" as const : undefined;
    return Promise.resolve({ tokens: [0], report: report(seconds), finish });
  };
  return { run: { step, close: () => {} }, onStep: () => {} };
}

Deno.test("in a race all have the same time: the faster one makes more steps, the slower ends alone", async () => {
  const log: string[] = [];
  const racers = [racer("slow", 6, 3, log), racer("fast", 6, 1, log)];
  const whole = await race(racers, new AbortController().signal, () => Promise.resolve());
  assert(whole);
  assertEquals(log.join(" "), "slow fast fast fast slow fast fast fast slow slow slow slow");
});

Deno.test("a race that is stopped ends before the next step, and a failing step passes through", async () => {
  const log: string[] = [];
  const abort = new AbortController();
  let turns = 0;
  const turn = () => Promise.resolve(++turns === 4 ? abort.abort() : undefined);
  assertEquals(await race([racer("a", 9, 1, log)], abort.signal, turn), false);
  assertEquals(log.length, 3);
  const broken = { run: { step: () => Promise.reject(new Error("no")), close: () => {} } };
  const run = () =>
    race([{ ...broken, onStep: () => {} }], new AbortController().signal, () => Promise.resolve());
  await assertRejects(run, Error, "no");
});

Deno.test("texts are equal whole, or as far as they go where they were stopped", () => {
  const cases: readonly (readonly [number[], number[], boolean, number, boolean])[] = [
    [[1, 2], [1, 2], true, 2, true],
    [[1, 2], [1, 2, 3], true, 2, false],
    [[1, 2], [1, 2, 3], false, 2, true],
    [[1, 2, 3], [1, 4], false, 1, false],
    [[], [1], false, 0, true],
  ];
  for (const [left, right, whole, same, equal] of cases) {
    assertEquals(agreementOf(left, right, whole), { same, equal });
    assertEquals(agreementOf(right, left, whole), { same, equal });
  }
});

Deno.test("different texts are an error of greedy decoding and nothing of note above it", () => {
  const event = { kind: "answered", whole: true, text: "" } as const;
  const different = { ...event, agreement: { same: 4, equal: false } };
  assertEquals(textVerdict(different, 0).state, "different");
  assertEquals(textVerdict(different, 0.7).state, "sampled");
  assertEquals(textVerdict({ ...event, agreement: { same: 1, equal: true } }, 0), {
    state: "equal",
    text: "Equal texts: 1 token.",
  });
});

Deno.test("a step shows what stands, what fell, and the model's own token, with whole characters only", () => {
  const tokenizer = tokenizerFromGguf(tinyTokenizer());
  const encode = (text: string): number[] => tokenizer.encode(text, { addSpecial: false });
  const viewer = createViewer(tokenizer);
  const [he, world, [first, second]] = [encode("hell"), encode(" world"), encode("é")];
  const view = (tokens: number[], drafted: number[], accepted: number) =>
    viewer.view({
      tokens,
      report: report(1, drafted.length, accepted, tokens.length),
      finish: undefined,
    }, drafted).tokens.map(({ text, fate }) => `${text}:${fate}`);
  assertEquals(view([...he, first], [...he, ...world], he.length), [
    "hell:accepted",
    " world:rejected",
    ":bonus",
  ]);
  assertEquals(view([second, ...world], [second], 1), ["é:accepted", " world:bonus"]);
  assertEquals(view([2], [], 0), ["∎:bonus"]);
});

Deno.test("every failure is one line", () => {
  const errors = [new OutriderError("a", "b\n c", "d"), new TypeError("x\ny"), "text", undefined];
  for (const error of errors) assertMatch(failureLine(error), /^[^\n]+$/);
  assertEquals(failureLine(errors[0]), "expected a, found b c; d");
});
