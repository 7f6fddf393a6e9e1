/** Rows of a batch see their own document and nothing else, whatever is packed beside them. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { batches, type Corpus } from "../../src/data/mod.ts";
import { losses } from "../../src/losses/mod.ts";
import { initLlama, llama, llamaLogits, type LlamaParameters } from "../../src/nn/mod.ts";
import { adamW, constantSchedule } from "../../src/optim/mod.ts";
import { compile, createDevice, read, uploadTree } from "../../src/runtime/mod.ts";
import {
  distillationBatch,
  finetuner,
  type PackedRows,
  type RowBatch,
  textBatch,
  trainingRows,
} from "../../src/train/mod.ts";
import { COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

/** The same lengths with other words. */
const OTHER: Corpus = {
  ...COUNTING,
  document: (index) => {
    const { tokens, weights } = COUNTING.document(index);
    return { tokens: tokens.map((id) => (5 * id + 3) % 12), weights };
  },
};

function packed(corpus: Corpus, rowsPerBatch: number, step: number): PackedRows {
  return batches(corpus, { key: keyOf(4), rowsPerBatch, sequenceLength: 24 }).at(step);
}

/** The logits of all rows of a batch, by the draft, on wasm. */
async function rowLogits(batch: RowBatch<ReturnType<typeof textBatch>["tokens"]>) {
  const device = createDevice(wasmBackend());
  const run = compile(
    device,
    (parameters: LlamaParameters<Tensor>, rows: RowBatch<Tensor>) =>
      llamaLogits(parameters, llama(DRAFT, parameters, trainingRows(rows)).hidden),
  );
  const parameters = uploadTree(device, initLlama(keyOf(2), DRAFT));
  const logits = await read(run(parameters, uploadTree(device, batch)));
  device.close();
  return logits;
}

Deno.test("pretraining rows behind distilled rows do not change these by a bit, nor the reverse", async () => {
  const [distilled, text] = [packed(COUNTING, 60, 0), packed(OTHER, 41, 3)];
  const alone = await rowLogits(distillationBatch(distilled));
  const textAlone = await rowLogits(textBatch(text));
  const both = await rowLogits(distillationBatch(distilled, text));
  assertEquals(both.slice(0, alone.length), alone);
  assertEquals(both.slice(alone.length), textAlone);
});

Deno.test("rows of another document in front do not change a document's rows by a bit", async () => {
  const [own, other] = [packed(COUNTING, 60, 0), packed(OTHER, 60, 0)];
  const last = own.starts.findLast((start, row) => start < row) ?? 0;
  const tokens = own.tokens.map((id, row) => row < last ? other.tokens[row] : id);
  const found = await rowLogits(textBatch({ ...own, tokens }));
  const expected = await rowLogits(textBatch(own));
  const from = last * DRAFT.vocabulary;
  assertEquals(found.slice(from), expected.slice(from));
  assertNotEquals(found.slice(0, from), expected.slice(0, from));
});

Deno.test("what is distilled does not depend on the pretraining text that is mixed in", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const trainer = finetuner({
    device,
    config: DRAFT,
    optimizer: adamW({ rate: constantSchedule(0.01) }),
    loss: losses.tvd,
    textWeight: 0,
    target: { config: TARGET, parameters },
  });
  const distilled = packed(COUNTING, 60, 0);
  const metricsWith = async (text: PackedRows) => {
    const state = trainer.init(initLlama(keyOf(2), DRAFT));
    const made = trainer.step(state, distillationBatch(distilled, text));
    const { distilled: loss, alpha } = made.metrics;
    return [(await read(loss))[0], (await read(alpha))[0]];
  };
  const expected = await metricsWith(packed(COUNTING, 32, 1));
  assertEquals(await metricsWith(packed(OTHER, 32, 5)), expected);
  device.close();
});

Deno.test("a mixed batch scores every row once, and starts point into their own part", () => {
  const [distilled, text] = [packed(COUNTING, 60, 0), packed(OTHER, 41, 3)];
  const batch = distillationBatch(distilled, text);
  const [byTarget, byText] = [batch.distillationMask.data, batch.textMask.data];
  assertEquals([...byTarget], [...distilled.lossMask, ...new Float32Array(41)]);
  assertEquals([...byText], [...new Float32Array(60), ...text.lossMask]);
  batch.starts.data.forEach((start, row) => {
    const part = row < 60 ? distilled : text;
    const shift = row < 60 ? 0 : 60;
    assertEquals(start, part.starts[row - shift] + shift);
  });
  assertEquals([...batch.positions.data], [...distilled.positions, ...text.positions]);
  assertEquals([...batch.targets.data], [...distilled.targets, ...text.targets]);
});
