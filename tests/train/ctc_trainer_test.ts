/** CTC drafters learn what decoding asks of them, with gradients that are slopes. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { foldIn, input, keyOf } from "../../src/core/mod.ts";
import { batches } from "../../src/data/mod.ts";
import { draftCtc, llamaModel, temperature } from "../../src/decode/mod.ts";
import { buildCtcDrafter, ctcHead, initCtcDrafter } from "../../src/nn/mod.ts";
import { compile, createDevice, read, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import {
  ctcBatch,
  ctcBatchLoss,
  type CtcLabels,
  ctcTrainer,
  draftOptimizer,
} from "../../src/train/mod.ts";
import { BLOCK_DRAFT, DRAFTED, featureCorpus, sharedOf } from "./block_world.ts";
import { assertSlopes, constantsOf } from "./slopes.ts";
import { TARGET, uploadTarget } from "./world.ts";

const first = () =>
  initCtcDrafter(
    foldIn(keyOf(5), "drafter"),
    BLOCK_DRAFT,
    new Float32Array(BLOCK_DRAFT.width).fill(2),
  );

async function world() {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const { corpus, entries } = await featureCorpus(device, parameters);
  const shared = await sharedOf(parameters);
  const packed = batches(corpus, { key: keyOf(2), rowsPerBatch: 64, sequenceLength: 48 });
  const batchOf = (anchors: number, of: CtcLabels = "greedy") =>
    ctcBatch(packed.at(0), keyOf(6), {
      ...{ config: BLOCK_DRAFT, anchors, labels: 3, vocabulary: DRAFTED, of },
    });
  return { device, parameters, entries, shared, batchOf };
}

for (const loss of ["prefix", "ctc"] as const) {
  Deno.test(`the gradient of every parameter is the slope of the loss, in doubles: ${loss}`, async () => {
    const { device, shared, batchOf } = await world();
    device.close();
    const inputs = buildCtcDrafter(BLOCK_DRAFT, ({ name, shape }) => input(shape, "f32", name));
    const scored = ctcBatchLoss({ config: BLOCK_DRAFT, vocabulary: DRAFTED, loss });
    assertSlopes(scored, inputs, first(), constantsOf(shared), constantsOf(batchOf(4)));
  });
}

Deno.test("a first token counts with the probability that decoding drafts it with", async () => {
  const { device, parameters, entries, shared, batchOf } = await world();
  const drafter = uploadTree(device, first());
  const kept = uploadTree(device, shared.kept);
  const weights = {
    drafter,
    embedding: parameters.embedding,
    head: compile(device, ctcHead)(drafter, kept),
  };
  const { taps, block, width } = BLOCK_DRAFT;
  const target = llamaModel({ device, config: TARGET, parameters, taps });
  const draft = draftCtc({ device, config: BLOCK_DRAFT, weights, vocabulary: DRAFTED });
  const trainer = ctcTrainer({
    ...{ device, config: BLOCK_DRAFT, vocabulary: DRAFTED, loss: "prefix" },
    optimizer: draftOptimizer({ steps: 1, rate: 0.01 }),
    shared: uploadTree(device, shared),
  });
  const batch = batchOf(1, "text");
  const { data: [label] } = batch.targets.labels;
  const metrics = trainer.evaluate(trainer.init(first()), batch);
  const [alpha] = await read(metrics.alpha0);
  const position = batch.positions.data[0];
  const features = taps.length * width;
  const at = batch.last.data[0] * features;
  let matches = 0;
  for (const { prompt, response } of entries) {
    const text = [...prompt, ...response];
    if (text[position] !== batch.tokens.data[0]) continue;
    const { cache } = await target.forward(target.open(), text.slice(0, position), 0);
    const known = await read(
      cache.look().memory.features ?? kept,
      (position - 1) * features,
      features,
    );
    // The text of the batch is the one with the same features there.
    if (known.some((x, i) => Math.abs(x - batch.features.data[at + i]) > 1e-4)) continue;
    matches++;
    const { tree } = await draft.propose(await draft.init([]), {
      ...{ context: text.slice(0, position + 1), nodes: 400, depth: block, cache },
      ...{ vocabulary: TARGET.vocabulary, warp: temperature(0), coin: () => 0 },
    });
    const node = tree.find(({ token, parent }) => parent < 0 && DRAFTED.classOf(token) === label);
    assertAlmostEquals(node?.probability ?? 0, alpha, 1e-3);
  }
  assert(matches > 0);
  device.close();
});

Deno.test("steps make continuations likelier, and nothing stays on the device", async () => {
  const { device, shared, batchOf } = await world();
  const onDevice = uploadTree(device, shared);
  const batch = batchOf(16);
  for (const loss of ["prefix", "ctc"] as const) {
    const trainer = ctcTrainer({
      ...{ device, config: BLOCK_DRAFT, vocabulary: DRAFTED, loss, shared: onDevice },
      optimizer: draftOptimizer({ steps: 60, rate: 0.01 }),
    });
    let state = trainer.init(first());
    const slots = device.counters().liveSlots;
    const alphas: number[] = [];
    for (let step = 0; step < 60; step++) {
      const made = trainer.step(state, batch);
      state = made.state;
      alphas.push((await read(made.metrics.alpha))[0]);
      releaseTree(made.metrics);
      assertEquals(device.counters().liveSlots, slots);
    }
    assert(alphas[59] > alphas[0] + 0.2, `${loss}: ${alphas[0]} to ${alphas[59]}`);
  }
  device.close();
});

Deno.test("a batch without continuations has a loss of 0 and moves nothing", async () => {
  const { device, shared, batchOf } = await world();
  const batch = batchOf(2);
  const empty = { ...batch, targets: { ...batch.targets, lengths: { ...batch.targets.lengths } } };
  empty.targets.lengths.data.fill(0);
  const trainer = ctcTrainer({
    ...{ device, config: BLOCK_DRAFT, vocabulary: DRAFTED, loss: "ctc" },
    optimizer: draftOptimizer({ steps: 1, rate: 0.01 }),
    shared: uploadTree(device, shared),
  });
  const { metrics } = trainer.step(trainer.init(first()), empty);
  for (const name of ["loss", "alpha", "gradientNorm"]) {
    assertEquals((await read(metrics[name]))[0], 0, name);
  }
  device.close();
});
