/** Decoders on a device write what decoders on the host write, in fewer words with it. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressive,
  autoregressiveOnDevice,
  chainWarps,
  draftModel,
  type DraftOnDevice,
  llamaModel,
  type LlamaModelOptions,
  minP,
  type Sampling,
  speculative,
  speculativeOnDevice,
  temperature,
  topK,
  topP,
  untilToken,
  verifyBlock,
  verifyToken,
  type Warp,
} from "../../../src/decode/mod.ts";
import { createDevice } from "../../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../../conformance/backends.ts";
import { countedReads, modelOn, tokensOf, trimmedOn } from "./tiny_models.ts";

const GREEDY = { temperature: 0 };
/** A cache that need not grow, where growing is not what is looked at: growing compiles. */
const ROOM = { firstSlots: 48 };
const PROMPT = [3, 1, 7, 7, 12];

const SAMPLINGS: readonly { readonly sampling: Sampling; readonly warp: Warp }[] = [
  { sampling: GREEDY, warp: temperature(0) },
  { sampling: { temperature: 1 }, warp: temperature(1) },
  { sampling: { temperature: 0.6 }, warp: temperature(0.6) },
  {
    sampling: { temperature: 0.9, topK: 12, topP: 0.9, minP: 0.01 },
    warp: chainWarps(temperature(0.9), topK(12), topP(0.9), minP(0.01)),
  },
];

/** Lengths of drafts and how they are judged. */
const WAYS = [[1, "token"], [4, "token"], [2, "block"], [4, "block"]] as const;
const ENOUGH = [[3, "token"], [3, "block"]] as const;

/** The host's speculative decoder of the same models. */
function onHost(
  target: LlamaModelOptions,
  draft: DraftOnDevice,
  { gamma, verify, warp }: {
    readonly gamma: number;
    readonly verify: "token" | "block";
    readonly warp: Warp;
  },
) {
  return speculative({
    target: llamaModel(target),
    draft: draftModel(llamaModel(draft), { vocabulary: draft.vocabulary }),
    verify: verify === "token" ? verifyToken : verifyBlock,
    warp,
    gamma,
  });
}

for (const backend of BACKENDS) {
  testOn(backend, "greedy text written on the device is plain greedy text", async (made) => {
    const device = createDevice(made);
    const target = { ...modelOn(device, 4), ...ROOM };
    const plain = autoregressive({ target: llamaModel(target), warp: temperature(0) });
    const { tokens } = await tokensOf(plain, PROMPT, 24);
    const direct = autoregressiveOnDevice({ target, sampling: GREEDY, ahead: 1 });
    assertEquals((await tokensOf(direct, PROMPT, 24)).tokens, tokens);
    for (const draft of [{ ...trimmedOn(device, 6), ...ROOM }, target]) {
      const decoder = speculativeOnDevice({ target, draft, gamma: 3, sampling: GREEDY, ahead: 1 });
      assertEquals((await tokensOf(decoder, PROMPT, 24)).tokens, tokens);
    }
    device.close();
  });

  testOn(backend, "a draft that is the target has all it drafts stand, sampled", async (made) => {
    const device = createDevice(made);
    const target = { ...modelOn(device, 4), ...ROOM };
    const sampling = { temperature: 1 };
    const decoder = speculativeOnDevice({ target, draft: target, gamma: 3, sampling });
    const { reports } = await tokensOf(decoder, PROMPT, 200);
    for (const { accepted, drafted } of reports) assertEquals(accepted, drafted);
    assert(reports.length <= 12, `${reports.length} blocks for 44 tokens`);
    device.close();
  });
}

Deno.test("with the same coins the device draws what the host draws, block by block", async () => {
  const device = createDevice(wasmBackend());
  const target = { ...modelOn(device, 4), ...ROOM };
  const whole: DraftOnDevice = modelOn(device, 5);
  for (const one of [whole, trimmedOn(device, 6), trimmedOn(device, 7, 20)]) {
    const draft = { ...one, ...ROOM };
    for (const { sampling, warp } of [SAMPLINGS[0], SAMPLINGS[2], SAMPLINGS[3]]) {
      for (const [gamma, verify] of one.vocabulary ? ENOUGH : WAYS) {
        const host = onHost(target, draft, { gamma, verify, warp });
        const wanted = await tokensOf(host, PROMPT, 100);
        for (const ahead of [0, 2]) {
          const how = { gamma, verify, sampling, ahead };
          const decoder = speculativeOnDevice({ target, draft, ...how });
          const found = await tokensOf(decoder, PROMPT, 100);
          assertEquals(found.tokens, wanted.tokens);
          assertEquals(found.finish, "context");
          const counts = (run: typeof found) =>
            run.reports.map(({ drafted, accepted, emitted }) => [drafted, accepted, emitted]);
          assertEquals(counts(found), counts(wanted));
        }
      }
    }
  }
  device.close();
});

Deno.test("plain decoding on the device draws what the host draws, however far ahead", async () => {
  const device = createDevice(wasmBackend());
  const target = modelOn(device, 4);
  for (const { sampling, warp } of SAMPLINGS) {
    const wanted = await tokensOf(autoregressive({ target: llamaModel(target), warp }), PROMPT, 99);
    for (const ahead of [0, 1, 4]) {
      const found = await tokensOf(autoregressiveOnDevice({ target, sampling, ahead }), PROMPT, 99);
      assertEquals(found.tokens, wanted.tokens);
      assertEquals(found.finish, "context");
    }
  }
  device.close();
});

Deno.test("every prompt length fills the context to its last row, whatever is drafted", async () => {
  const device = createDevice(wasmBackend());
  const target = modelOn(device, 4);
  for (const length of [1, 2, 46, 47, 48]) {
    const prompt = Array.from({ length }, (_, i) => (7 * i) % 40);
    for (const sampling of [GREEDY, { temperature: 1 }]) {
      const plain = autoregressiveOnDevice({ target, sampling });
      for (const draft of [modelOn(device, 5), trimmedOn(device, 6, 8)]) {
        const decoder = speculativeOnDevice({ target, draft, gamma: 5, sampling, ahead: 2 });
        const found = await tokensOf(decoder, prompt, 100);
        assertEquals([found.tokens.length, found.finish], [49 - length, "context"]);
        if (sampling === GREEDY) {
          assertEquals(found.tokens, (await tokensOf(plain, prompt, 100)).tokens);
        }
      }
    }
  }
  device.close();
});

Deno.test("a text ends at a stop token or a limit in the middle of a block, with nothing left alive", async () => {
  const device = createDevice(wasmBackend());
  const target = modelOn(device, 4);
  const before = device.counters().liveSlots;
  const plain = autoregressiveOnDevice({ target, sampling: GREEDY });
  const { tokens } = await tokensOf(plain, PROMPT, 20);
  const decoder = speculativeOnDevice({
    target,
    draft: target,
    gamma: 4,
    sampling: GREEDY,
    ahead: 2,
  });
  for (const count of [1, 3, 5, 7]) {
    const found = await tokensOf(decoder, PROMPT, count);
    assertEquals([found.tokens, found.finish], [tokens.slice(0, count), "limit"]);
  }
  const stop = tokens[6];
  const found = await tokensOf(untilToken(decoder, [stop]), PROMPT, 20);
  assertEquals(found.tokens, tokens.slice(0, tokens.indexOf(stop) + 1));
  await Promise.resolve();
  assertEquals(device.counters().liveSlots, before);
  device.close();
});

Deno.test("a block is one read of the device, and after the first step nothing is compiled", async () => {
  for (const sampling of [GREEDY, { temperature: 1, topP: 0.9 }]) {
    for (const ahead of [0, 1]) {
      const backend = countedReads(wasmBackend());
      const device = createDevice(backend);
      const target = { ...modelOn(device, 4), firstSlots: 48 };
      const draft = { ...trimmedOn(device, 6), firstSlots: 48 };
      const decoder = speculativeOnDevice({ target, draft, gamma: 3, sampling, ahead });
      let step = await decoder.step(await decoder.init(PROMPT, keyOf(3)));
      const { compiles } = device.counters();
      const reads = backend.reads();
      let steps = 0;
      for (; step.finish === undefined; steps++) step = await decoder.step(step.state);
      decoder.close(step.state);
      assert(steps > 8);
      assertEquals(device.counters().compiles, compiles);
      const inVain = ahead === 0 ? 0 : 1;
      assert(backend.reads() - reads <= steps && backend.reads() - reads >= steps - inVain);
      const [again, runs] = [backend.reads(), device.counters().runs];
      // Another temperature is another number, not another plan.
      const warmer = { ...sampling, temperature: sampling.temperature * 1.5 };
      const other = speculativeOnDevice({ target, draft, gamma: 3, sampling: warmer, ahead });
      await tokensOf(other, PROMPT, 10);
      assertEquals(device.counters().compiles, compiles);
      assert(backend.reads() > again && device.counters().runs > runs);
      device.close();
    }
  }
});
