/** The whole recipe on the chat model that comes with the package, short: every loss pays. */
import { assert, assertEquals } from "@std/assert";
import { codecOf } from "../../examples/common/recipe.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import {
  type Corpus,
  distillationCorpus,
  heldOutPrompts,
  openCorpus,
  openPrompts,
} from "../../src/data/mod.ts";
import { draftModel, llamaModel, temperature, verifyBlock } from "../../src/decode/mod.ts";
import { compareDrafts, contestant, type ContestRow } from "../../src/evaluate/mod.ts";
import { encodeChat } from "../../src/io/mod.ts";
import type { LlamaConfig } from "../../src/nn/mod.ts";
import { createDevice, type Device, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import {
  distillationEntries,
  draftConfig,
  finetuneDraft,
  pretrainDraft,
  type StageResult,
} from "../../src/train/mod.ts";
import { EMBEDDED, type Loaded, withWeights } from "../models/files.ts";

const SEED = 1;
const LOSSES = ["kld", "tvd", "tvd++"] as const;

/** What the stages share. */
interface Recipe {
  readonly device: Device;
  readonly target: Loaded;
  readonly config: LlamaConfig;
  readonly corpus: Corpus;
}

/** The answers of the target to prompts of its training. */
async function answers({ device, target: { file, parameters } }: Recipe): Promise<Corpus> {
  const conversations = await openPrompts("language", { seed: SEED, count: 150 });
  const prompts = conversations.map((turns) => encodeChat(file.tokenizer, turns))
    .filter(({ length }) => length <= 128);
  assert(prompts.length > 100, `only ${prompts.length} prompts are short`);
  const entries = distillationEntries({
    device,
    target: { config: file.config, parameters },
    prompts,
    done: 0,
    temperatures: [0, 0.3, 0.7, 1],
    topP: 0.95,
    maximumTokens: 96,
    stopTokens: file.tokenizer.endOfTurn,
    seed: SEED,
    sequences: 32,
  });
  return distillationCorpus(await Array.fromAsync(entries));
}

/** A finetuned draft for every loss, from the same base and the same answers. */
async function finetuned(recipe: Recipe, base: StageResult): Promise<Map<string, StageResult>> {
  const { device, target, config, corpus } = recipe;
  const set = await answers(recipe);
  const drafts = new Map<string, StageResult>();
  for (const loss of LOSSES) {
    const result = await finetuneDraft({
      device,
      config,
      parameters: base.parameters,
      target: { config: target.file.config, parameters: target.parameters },
      loss,
      temperature: 1,
      set,
      mix: { corpus, share: 0.1 },
      steps: 30,
      rowsPerBatch: 1024,
      rate: 0.01,
      seed: SEED,
    });
    drafts.set(loss, result);
  }
  return drafts;
}

/** Greedy decoding of prompts that no stage has seen, with every draft ahead. */
async function contest(
  { device, target: { file, parameters }, config }: Recipe,
  drafts: ReadonlyMap<string, StageResult>,
): Promise<ContestRow[]> {
  const model = llamaModel({ device, config: file.config, parameters });
  const uploaded = [...drafts].map(([name, result]) => ({
    name,
    weights: uploadTree(device, result.parameters),
  }));
  const contestants = uploaded.map(({ name, weights }) => {
    const draft = draftModel(llamaModel({ device, config, parameters: weights }));
    return contestant(model, { name, sizeRatio: 0.02, draft });
  });
  const prompts = heldOutPrompts(SEED, 24).map(({ prompt: content }) =>
    encodeChat(file.tokenizer, [{ role: "user", content }])
  );
  const rows = await compareDrafts(model, contestants, prompts, {
    gamma: 3,
    verify: verifyBlock,
    warp: temperature(0),
    maxTokens: 64,
    stopTokens: file.tokenizer.endOfTurn,
    key: keyOf(SEED),
  });
  for (const { weights } of uploaded) releaseTree(weights);
  return rows;
}

Deno.test({
  name: "embedded model: finetuning with kld, tvd and tvd++ raises tau on held-out prompts " +
    "above that of the pretrained draft, and all texts are the target's",
  ignore: EMBEDDED === undefined,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, EMBEDDED, "f32", async (target) => {
      const slots = device.counters().liveSlots;
      const config = draftConfig(target.file.config, { share: 0.02 });
      const codec = codecOf(target.file);
      const corpus = await openCorpus("language", codec, { seed: SEED, promptWeight: 1 });
      const recipe = { device, target, config, corpus };
      const pretraining = { steps: 60, rowsPerBatch: 2048, rate: 0.01, seed: SEED };
      const base = await pretrainDraft({ device, config, corpus, ...pretraining });
      const drafts = new Map([["base", base], ...await finetuned(recipe, base)]);
      assertEquals(device.counters().liveSlots, slots, "the stages leave the target only");
      const [first, ...others] = await contest(recipe, drafts);
      assertEquals(others.map(({ name }) => name), [...LOSSES]);
      for (const { name, metrics, equalTexts, prompts } of [first, ...others]) {
        assertEquals(equalTexts, prompts, `texts with ${name}`);
        assert(metrics.blockEfficiency >= 1);
      }
      for (const { name, metrics } of others) {
        const [tau, before] = [metrics.blockEfficiency, first.metrics.blockEfficiency];
        assert(tau > before, `tau of ${name} is ${tau}, that of the base ${before}`);
      }
      assertEquals(device.counters().liveSlots, slots);
    });
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  },
});
