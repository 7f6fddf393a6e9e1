/** Scoring the rows that count, and no others, gives the losses and gradients of scoring all. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { isHostTensor } from "../../src/core/host_tensor.ts";
import type { DenseHostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import { leavesWithPaths } from "../../src/core/tree.ts";
import { batches, type Corpus, type PackedBatch, responseDocument } from "../../src/data/mod.ts";
import { isLossName, losses } from "../../src/losses/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { scale } from "../../src/optim/mod.ts";
import {
  createDevice,
  type Device,
  downloadTree,
  read,
  releaseTree,
} from "../../src/runtime/mod.ts";
import {
  cachedTeacherBatch,
  distillationBatch,
  finetuner,
  type RowBatch,
  rowsThatCount,
} from "../../src/train/mod.ts";
import { COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

const KEPT = 3;

/** Prompts and answers of many lengths, of one token at least, with some teacher's distributions. */
const ANSWERS: Corpus = {
  length: 30,
  document: (index) => {
    const draw = (name: string, limit: number) => uniformInteger(foldIn(keyOf(index), name), limit);
    const [prompt, response] = [1 + draw("prompt", 12), 1 + draw("response", 9)];
    const tokens = Array.from({ length: prompt + response }, (_, i) => draw(`${i}`, 15));
    const teacher = Array.from({ length: response }, (_, i) => ({
      tokens: Int32Array.from({ length: KEPT }, (_, k) => (tokens[prompt + i] + k) % 15),
      logProbs: Float32Array.of(-0.5, -1.5, -3),
    }));
    const document = responseDocument(tokens.slice(0, prompt), tokens.slice(prompt));
    return { ...document, teacher: () => teacher };
  },
};

function packed(corpus: Corpus, rowsPerBatch: number, step: number): PackedBatch {
  return batches(corpus, { key: keyOf(4), rowsPerBatch, sequenceLength: 16 }).at(step);
}

/** What one step of plain gradient descent reports and makes of the weights. */
async function descend(
  device: Device,
  options: Pick<Parameters<typeof finetuner>[0], "loss" | "target">,
  batch: RowBatch<DenseHostTensor>,
) {
  const optimizer = scale(-1);
  const trainer = finetuner({ device, config: DRAFT, optimizer, textWeight: 0.25, ...options });
  const { state, metrics } = trainer.step(trainer.init(initLlama(keyOf(2), DRAFT)), batch);
  const { alpha, loss } = metrics;
  const scores = [(await read(loss))[0], (await read(alpha))[0]];
  const weights = leavesWithPaths(await downloadTree(state.parameters), isHostTensor);
  releaseTree(metrics);
  releaseTree(state);
  return { scores, weights };
}

/** Asserts that a batch is descended on as it is without a list of rows to score. */
async function assertSame(
  device: Device,
  options: Pick<Parameters<typeof finetuner>[0], "loss" | "target">,
  batch: RowBatch<DenseHostTensor>,
) {
  const { scored, ...whole } = batch;
  assert(scored !== undefined && scored.distillation.shape[0] < batch.tokens.shape[0]);
  const [found, expected] = [
    await descend(device, options, batch),
    await descend(device, options, whole),
  ];
  found.scores.forEach((score, i) => assertAlmostEquals(score, expected.scores[i], 2e-6));
  const start = new Map(
    leavesWithPaths(initLlama(keyOf(2), DRAFT), isHostTensor).map(({ path, leaf }) => [path, leaf]),
  );
  for (const [i, { path, leaf }] of found.weights.entries()) {
    const other = [...expected.weights[i].leaf.data];
    const first = start.get(path)?.data ?? [];
    const largest = Math.max(...other.map((w, k) => Math.abs(w - first[k])));
    assert(largest > 0, `${path} has a gradient`);
    leaf.data.forEach((w, k) => assertAlmostEquals(w, other[k], 1e-6 + 1e-5 * largest, path));
  }
}

for (const name of Object.keys(losses).filter(isLossName)) {
  Deno.test(`${name}: rows that do not count are not scored, and loss and gradients are the same`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTarget(device);
    const loss = losses[name];
    const [rows, text] = [packed(ANSWERS, 64, 0), packed(COUNTING, 24, 1)];
    const mixed = distillationBatch(rows, text);
    await assertSame(device, { loss, target: { config: TARGET, parameters } }, mixed);
    const cached = cachedTeacherBatch(mixed, rows.teacher, { kept: KEPT });
    await assertSame(device, { loss, target: "cached" }, cached);
    await assertSame(device, { loss, target: "cached" }, {
      ...cachedTeacherBatch(distillationBatch(rows), rows.teacher, { kept: KEPT }),
    });
    releaseTree(parameters);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}

Deno.test("a list of scored rows names each row that counts once, in order, and ends runs with -1", () => {
  for (let seed = 0; seed < 200; seed++) {
    const draw = (name: string | number, limit: number) =>
      uniformInteger(foldIn(keyOf(seed), name), limit);
    const length = draw("length", 100);
    const mask = Float32Array.from({ length }, (_, row) => draw(row, 3) === 0 ? 0 : 0.5);
    if (seed % 10 === 0) mask.fill(0);
    const rows = [...rowsThatCount(mask, 7)];
    const named = rows.filter((row) => row >= 0);
    assertEquals(named, [...mask.keys()].filter((row) => mask[row] > 0).map((row) => row + 7));
    for (const [i, row] of rows.entries()) {
      if (i === 0 || row < 0) continue;
      assert(rows[i - 1] === row - 1 || rows[i - 1] === -1 && row - 1 !== rows[i - 2]);
    }
    assert(rows.length > 0 && rows.length % Math.max(1, Math.ceil(length / 16)) === 0);
  }
});

Deno.test("a run of many batches compiles a step for each of few lengths", () => {
  const lengths = new Set<number>();
  let pieces = batches(ANSWERS, { key: keyOf(1), rowsPerBatch: 160, sequenceLength: 40 });
  for (let step = 0; step < 200; step++) {
    lengths.add(rowsThatCount(pieces.at(step).lossMask).length);
  }
  assert(lengths.size <= 8, `${lengths.size}`);
  pieces = batches(COUNTING, { key: keyOf(1), rowsPerBatch: 160, sequenceLength: 40 });
  assert(rowsThatCount(pieces.at(0).lossMask).length <= 160);
});
