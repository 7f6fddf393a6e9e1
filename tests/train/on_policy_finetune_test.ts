/** A draft learns from what it drafts itself, and a run that was stopped ends in the same bits. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { batches, distillationCorpus } from "../../src/data/mod.ts";
import {
  draftModel,
  functionModel,
  llamaModel,
  logitsOf,
  temperature,
  topTokens,
  verifyToken,
} from "../../src/decode/mod.ts";
import { onPolicyCorrection } from "../../src/losses/mod.ts";
import { initLlama, llama, llamaLogits, type LlamaParameters } from "../../src/nn/mod.ts";
import { scale } from "../../src/optim/mod.ts";
import { compile, createDevice, read, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import {
  finetuner,
  likeliestOf,
  type OnPolicyBatch,
  onPolicyBatches,
  onPolicyDraft,
  onPolicyLlamaRows,
  type OnPolicyOptions,
  onPolicyRowBatch,
  recordable,
  recordSpeculation,
  type StepNotice,
  suffixesApart,
  suffixesAsBranches,
} from "../../src/train/mod.ts";
import { hashLogits, nearModel } from "../decode/mock_models.ts";
import { withFolder } from "../io/with_folder.ts";
import { answersOf, bitsOf, COUNTING, DRAFT, STOP, TARGET, uploadTarget } from "./world.ts";

const VOCABULARY = 6;

Deno.test("a record keeps the target's distribution in the place of every drafted token", async () => {
  let rejected = 0;
  for (const warp of [temperature(0), temperature(1)]) {
    for (let seed = 0; seed < 12; seed++) {
      const logits = hashLogits(seed, VOCABULARY);
      const target = functionModel({ vocabulary: VOCABULARY, contextLength: 40, logits });
      const decoder = recordable({
        target,
        draft: draftModel(nearModel(seed + 100, logits, VOCABULARY, 40)),
        verify: verifyToken,
        warp,
        gamma: 1 + seed % 4,
      });
      const { prompt, steps } = await recordSpeculation(decoder, [1, 2], {
        key: keyOf(seed),
        tokens: 20,
        isEnd: (token) => token === 5,
        teacherOf: likeliestOf(VOCABULARY),
      });
      const text = [...prompt];
      for (const { drafted, accepted, next, teacher = [] } of steps) {
        const expected = drafted.map((_, i) =>
          topTokens(logitsOf([...logits([...text, ...drafted.slice(0, i)])]), VOCABULARY)
        );
        assertEquals(teacher, expected);
        rejected += drafted.length - accepted;
        text.push(...drafted.slice(0, accepted), ...(next === undefined ? [] : [next]));
      }
    }
  }
  assert(rejected > 20, `${rejected} rejected tokens`);
});

const GAMMA = 3;

/** Texts of the world's draft ahead of its target, on a device. */
async function worldRecords() {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const draft = uploadTree(device, initLlama(keyOf(2), DRAFT));
  const target = llamaModel({ device, config: TARGET, parameters });
  const decoder = recordable({
    target,
    draft: draftModel(llamaModel({ device, config: DRAFT, parameters: draft })),
    verify: verifyToken,
    warp: temperature(1),
    gamma: GAMMA,
  });
  const records = await Promise.all(
    [[1, 2, 3], [4], [7, 7]].map((prompt, i) =>
      recordSpeculation(decoder, prompt, {
        key: keyOf(i),
        tokens: 12,
        isEnd: (token) => token === STOP,
        teacherOf: likeliestOf(TARGET.vocabulary),
      })
    ),
  );
  return { device, parameters, draft, target, records };
}

Deno.test("the step's loss is the correction of all rows with the target at work, in both layouts", async () => {
  const { device, parameters, draft, records } = await worldRecords();
  const score = (
    own: LlamaParameters<Tensor>,
    judge: LlamaParameters<Tensor>,
    batch: OnPolicyBatch<Tensor>,
  ): Tensor => {
    const rows = onPolicyLlamaRows(batch);
    const logits = llamaLogits(own, llama(DRAFT, own, rows).hidden);
    const wanted = llamaLogits(judge, llama(TARGET, judge, rows).hidden);
    return onPolicyCorrection(logits, wanted, batch.accepted, batch.rejectedDepth);
  };
  const run = compile(device, score);
  const trainer = finetuner({
    device,
    config: DRAFT,
    optimizer: scale(-1),
    loss: { onPolicy: onPolicyCorrection },
    textWeight: 0.25,
    target: "cached",
  });
  const mixed = batches(COUNTING, { key: keyOf(4), rowsPerBatch: 32, sequenceLength: 24 }).at(0);
  for (const layout of [suffixesApart, suffixesAsBranches]) {
    const [batch, ...more] = onPolicyBatches(records.flatMap(layout), 700, GAMMA - 1);
    assertEquals(more, []);
    const { teacher: _, ...arrays } = batch;
    const given = uploadTree(device, arrays);
    const value = run(draft, parameters, given);
    const expected = (await read(value))[0];
    releaseTree(value);
    assert(expected > 0.1);
    for (const text of [undefined, mixed]) {
      const rows = onPolicyRowBatch(batch, { kept: TARGET.vocabulary }, text);
      const { scored } = rows;
      assert(scored !== undefined && scored.distillation.shape[0] < 200);
      const state = trainer.init(initLlama(keyOf(2), DRAFT));
      const { state: next, metrics } = trainer.step(state, rows);
      assertAlmostEquals((await read(metrics.distilled))[0], expected, 1e-5);
      releaseTree(metrics);
      releaseTree(next);
    }
    releaseTree(given);
  }
  releaseTree(parameters);
  releaseTree(draft);
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});

const answers = await (async () => {
  const device = createDevice(wasmBackend());
  const entries = await answersOf(device, uploadTarget(device));
  device.close();
  return distillationCorpus(entries);
})();

type Variation = Partial<OnPolicyOptions<never>>;

/** A run on the world's target; nothing may stay on its device. */
async function onPolicy(variation: Variation = {}) {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const notices: StepNotice[] = [];
  try {
    const result = await onPolicyDraft({
      device,
      config: DRAFT,
      parameters: initLlama(keyOf(1), DRAFT),
      target: llamaModel({ device, config: TARGET, parameters }),
      temperature: 1,
      speculation: {
        gamma: GAMMA,
        tokens: 10,
        isEnd: (token) => token === STOP,
        prompts: 4,
        every: 4,
        teacherTokens: 8,
      },
      set: answers,
      mix: { corpus: COUNTING, share: 0.2 },
      steps: 10,
      rowsPerBatch: 128,
      rate: 0.02,
      seed: 1,
      ...variation,
      onStep: (notice) => {
        notices.push(notice);
        variation.onStep?.(notice);
      },
    });
    return { ...result, notices };
  } finally {
    releaseTree(parameters);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }
}

Deno.test("a draft that learns from what it drafts is accepted more", async () => {
  const { notices } = await onPolicy({ steps: 40 });
  const alphas = notices.map(({ metrics }) => metrics.alpha);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  const [first, last] = [mean(alphas.slice(0, 4)), mean(alphas.slice(-12))];
  assert(last > first + 0.05, `from ${first} to ${last}`);
});

Deno.test("a run on its own drafts that broke or was stopped ends in the same bits", () =>
  withFolder(async (folder) => {
    const whole = `${folder}/whole`;
    const expected = await onPolicy({ checkpoint: whole });
    const bits = bitsOf(expected.parameters);
    for (const last of [4, 7]) {
      const checkpoint = `${folder}/${last}`;
      const broken = onPolicy({
        checkpoint,
        onStep: ({ step }) => {
          if (step === last) throw new Error("the power went");
        },
      });
      await assertRejects(() => broken, Error, "the power went");
      const resumed = await onPolicy({ checkpoint });
      assertEquals(resumed.notices[0].step, last - 1 - (last - 1) % 4 + 1);
      assertEquals(bitsOf(resumed.parameters), bits, `broken at step ${last}`);
    }
    const abort = new AbortController();
    const checkpoint = `${folder}/stopped`;
    const stopped = await onPolicy({
      checkpoint,
      signal: abort.signal,
      onStep: ({ step }) => step === 6 && abort.abort(),
    });
    assertEquals(stopped.step, 6);
    const resumed = await onPolicy({ checkpoint });
    assertEquals(resumed.notices[0].step, 5, "it goes on where the texts were written");
    assertEquals(bitsOf(resumed.parameters), bits);
    assertEquals(await Deno.readFile(checkpoint), await Deno.readFile(whole));
  }));

Deno.test("prompts without room for a text are refused", async () => {
  await assertRejects(() => onPolicy({ rowsPerBatch: 16 }), OutriderError, "leave room");
});
