/** Decoders on a device whose drafts change their length, by rules that see results late. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  automaticLength,
  autoregressiveOnDevice,
  draftModel,
  type DraftOnDevice,
  generate,
  llamaModel,
  measureCostsOnDevice,
  rememberPrefixOnDevice,
  speculative,
  speculativeOnDevice,
  type StepReport,
  temperature,
  verifyBlock,
} from "../../../src/decode/mod.ts";
import type { DraftLength } from "../../../src/decode/mod.ts";
import { createDevice } from "../../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../../conformance/backends.ts";
import { failingBackend } from "../failing_backend.ts";
import { modelOn, rowsOf, tokensOf, trimmedOn } from "./tiny_models.ts";

const PROMPT = [3, 1, 7, 7, 12];
/** Lengths in turns, with waits that are shorter and longer than what a pass reads on. */
const TURNS = [0, 0, 3, 3, 0, 1, 0, 0, 0, 3, 1, 1, ...Array(18).fill(0), 3, 0];

/** A rule that goes through a list. */
function inTurns(turns: readonly number[]): DraftLength<number> {
  return { init: () => 0, gamma: (at) => turns[at % turns.length], step: (at) => at + 1 };
}

const ROOM = { firstSlots: 48 };

for (const backend of BACKENDS.filter(({ name }) => ["wasm", "webgpu"].includes(name))) {
  testOn(backend, "greedy text with drafts of changing lengths is plain text", async (made) => {
    const device = createDevice(made);
    const [target, draft] = [{ ...modelOn(device, 4), ...ROOM }, {
      ...trimmedOn(device, 6),
      ...ROOM,
    }];
    const sampling = { temperature: 0 };
    const plain = autoregressiveOnDevice({ target, sampling });
    const { tokens } = await tokensOf(plain, PROMPT, 99);
    const parts = { target, draft, sampling, gamma: inTurns([0, 2, 0, 2, 2]), ahead: 1 };
    assertEquals((await tokensOf(speculativeOnDevice(parts), PROMPT, 99)).tokens, tokens);
    device.close();
  });
}

Deno.test("a draft that waited has read what was written meanwhile, whatever is in flight", async () => {
  const device = createDevice(wasmBackend());
  const config = { ...modelOn(device, 4).config, contextLength: 160 };
  const target = modelOn(device, 4, config);
  for (const ahead of [0, 1, 2, 3]) {
    const parts = { target, draft: target, sampling: { temperature: 1 }, ahead };
    const decoder = speculativeOnDevice({ ...parts, gamma: inTurns(TURNS) });
    const { reports, tokens } = await tokensOf(decoder, PROMPT, 999);
    assertEquals(tokens.length, 156);
    for (const { drafted, accepted } of reports) assertEquals(accepted, drafted);
    const lengths = new Set(reports.slice(0, 32).map(({ drafted }) => drafted));
    assertEquals(lengths, new Set([0, 1, 3]));
  }
  device.close();
});

Deno.test("where results are read at once, blocks of all lengths are those of the host", async () => {
  const device = createDevice(wasmBackend());
  const target = modelOn(device, 4);
  const whole: DraftOnDevice = modelOn(device, 5);
  for (const draft of [whole, trimmedOn(device, 6), trimmedOn(device, 7, 20)]) {
    const gamma = inTurns(TURNS);
    const host = speculative({
      target: llamaModel(target),
      draft: draftModel(llamaModel(draft), { vocabulary: draft.vocabulary }),
      verify: verifyBlock,
      warp: temperature(0.8),
      gamma,
    });
    const sampling = { temperature: 0.8 };
    const decoder = speculativeOnDevice({ target, draft, gamma, sampling, verify: "block" });
    const [wanted, found] = [await tokensOf(host, PROMPT, 99), await tokensOf(decoder, PROMPT, 99)];
    assertEquals(found.tokens, wanted.tokens);
    const accepted = (reports: readonly StepReport[]) => reports.map(({ accepted }) => accepted);
    assertEquals(accepted(found.reports), accepted(wanted.reports));
  }
  device.close();
});

Deno.test("once every length was used, nothing is compiled", async () => {
  const device = createDevice(wasmBackend());
  const [target, draft] = [{ ...modelOn(device, 4), ...ROOM }, {
    ...trimmedOn(device, 6),
    ...ROOM,
  }];
  for (const sampling of [{ temperature: 0 }, { temperature: 1 }]) {
    const parts = { target, draft, sampling, ahead: 1, verify: "block" as const };
    const first = speculativeOnDevice({ ...parts, gamma: inTurns([0, 1, 0, 3, 0]) });
    await tokensOf(first, PROMPT, 99);
    const { compiles } = device.counters();
    for (const turns of [TURNS, [3], [1, 0], [0]]) {
      await tokensOf(speculativeOnDevice({ ...parts, gamma: inTurns(turns) }), PROMPT, 99);
    }
    assertEquals(device.counters().compiles, compiles);
  }
  device.close();
});

Deno.test("a talk goes on from what a draft has read, wherever its waits ended", async () => {
  const device = createDevice(wasmBackend());
  const cold = modelOn(device, 4);
  for (const turns of [[0], [3, 0, 0], [1, 3], [0, 0, 0, 2]]) {
    for (const ahead of [0, 2]) {
      const model = rememberPrefixOnDevice(cold);
      const draft = rememberPrefixOnDevice(cold);
      const parts = { target: model, draft, sampling: { temperature: 1 }, ahead };
      for (const count of [1, 4, 5, 9]) {
        const decoder = speculativeOnDevice({ ...parts, gamma: inTurns(turns) });
        const { tokens } = await tokensOf(decoder, PROMPT, count);
        const next = [...PROMPT, ...tokens, 5, 9];
        const fresh = speculativeOnDevice({ ...parts, target: cold, draft: cold, gamma: 3 });
        const again = speculativeOnDevice({ ...parts, gamma: 3 });
        assertEquals(await rowsOf(again, next), await rowsOf(fresh, next));
        const { reports } = await generate(again, next, { key: keyOf(2) });
        for (const { drafted, accepted } of reports) assertEquals(accepted, drafted);
      }
      [model, draft].forEach((one) => one.forget());
    }
  }
  device.close();
});

Deno.test("automatic lengths draft where that pays and stop where it does not", async () => {
  const device = createDevice(wasmBackend());
  const config = { ...modelOn(device, 4).config, contextLength: 160 };
  const [target, other] = [modelOn(device, 4, config), modelOn(device, 5, config)];
  const gamma = automaticLength({ draftCost: 0.1, lengths: [1, 3, 7] });
  // By a clock that stands still costs are those given.
  const parts = { target, sampling: { temperature: 0 }, gamma, now: () => 0 };
  for (const ahead of [0, 1]) {
    const good = await tokensOf(
      speculativeOnDevice({ ...parts, draft: target, ahead }),
      PROMPT,
      999,
    );
    assert(good.reports.length < 48, `${good.reports.length} steps`);
    const bad = await tokensOf(speculativeOnDevice({ ...parts, draft: other, ahead }), PROMPT, 999);
    assertEquals(bad.tokens, good.tokens);
    const drafted = bad.reports.reduce((sum, report) => sum + report.drafted, 0);
    assert(drafted < 32, `${drafted} tokens drafted in vain`);
  }
  device.close();
});

Deno.test("costs are those of steps as they follow each other, and nothing compiles after them", async () => {
  const device = createDevice(wasmBackend());
  const config = { ...modelOn(device, 4).config, contextLength: 160 };
  const target = { ...modelOn(device, 4, config), firstSlots: 160 };
  const draft = { ...trimmedOn(device, 6, 160), firstSlots: 160 };
  const before = device.counters().liveSlots;
  // By a clock of passes, a step takes one for each drafted token and one for the target's.
  const now = () => device.counters().runs;
  for (const ahead of [0, 1]) {
    const parts = { target, draft, sampling: { temperature: 1 }, ahead };
    const costs = await measureCostsOnDevice({ ...parts, now });
    assertEquals([costs.draftCost, costs.lengths, costs.passSeconds], [1, [1, 3, 7], 1]);
    assertEquals([1, 2, 3, 4].map(costs.rowsCost), [1, 1, 1, 1]);
    await Promise.resolve();
    assertEquals(device.counters().liveSlots, before);
    const { compiles } = device.counters();
    const decoder = speculativeOnDevice({ ...parts, gamma: inTurns([0, 1, 3]) });
    await tokensOf(decoder, Array(16).fill(2), 100);
    assertEquals(device.counters().compiles, compiles);
  }
  device.close();
});

Deno.test("costs of a context without room for drafts are those of plain decoding", async () => {
  const device = createDevice(wasmBackend());
  const config = { ...modelOn(device, 4).config, contextLength: 12 };
  const target = modelOn(device, 4, config);
  const costs = await measureCostsOnDevice({ target, draft: target, sampling: { temperature: 0 } });
  assertEquals([costs.lengths, automaticLength(costs).isPlain], [[], true]);
  device.close();
});

Deno.test("a rule that never drafts leaves the draft alone", async () => {
  const device = createDevice(wasmBackend());
  const [target, draft] = [modelOn(device, 4), trimmedOn(device, 6)];
  const parts = { target, sampling: { temperature: 0 } };
  const plain = await tokensOf(autoregressiveOnDevice(parts), PROMPT, 20);
  const { runs } = device.counters();
  await tokensOf(autoregressiveOnDevice(parts), PROMPT, 20);
  const plainRuns = device.counters().runs - runs;
  const gamma = automaticLength({ draftCost: 3 });
  const decoder = speculativeOnDevice({ ...parts, draft, gamma });
  const before = device.counters().runs;
  assertEquals((await tokensOf(decoder, PROMPT, 20)).tokens, plain.tokens);
  // An empty cache for the draft is the one run more.
  assert(device.counters().runs - before <= plainRuns + 1);
  device.close();
});

Deno.test("memory that runs out between lengths leaves nothing alive", async () => {
  const backend = failingBackend();
  const device = createDevice(backend);
  const [target, draft] = [modelOn(device, 1), trimmedOn(device, 2)];
  const before = device.counters().liveSlots;
  const parts = { target, draft, sampling: { temperature: 1 }, ahead: 1 };
  for (let allocations = 0, failures = 0;; allocations += allocations < 40 ? 1 : 23) {
    backend.failAfter(allocations);
    const decoder = speculativeOnDevice({ ...parts, gamma: inTurns([2, 0, 0, 3, 0]) });
    const failed = await generate(decoder, Array(7).fill(1), { key: keyOf(5) })
      .then(() => false, () => true);
    await Promise.resolve();
    assertEquals(device.counters().liveSlots, before, `after ${allocations} allocations`);
    failures += failed ? 1 : 0;
    if (failed) continue;
    assert(failures > 40, `${failures} failures`);
    break;
  }
  device.close();
});
