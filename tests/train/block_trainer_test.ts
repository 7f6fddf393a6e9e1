/** Block drafters learn what decoding asks of them, with gradients that are slopes. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import {
  type DenseHostTensor,
  hostTensor,
  input,
  isHostTensor,
  keyOf,
  mapTree,
} from "../../src/core/mod.ts";
import { batches } from "../../src/data/mod.ts";
import { blockDraft, llamaModel, temperature } from "../../src/decode/mod.ts";
import { kld, losses } from "../../src/losses/mod.ts";
import { blockHead, buildBlockDrafter } from "../../src/nn/mod.ts";
import {
  compile,
  createDevice,
  type Device,
  read,
  releaseTree,
  uploadTree,
} from "../../src/runtime/mod.ts";
import {
  type BlockBatch,
  blockBatch,
  blockLoss,
  type BlockTrainer,
  blockTrainer,
  draftOptimizer,
  type DraftOptimizerState,
} from "../../src/train/mod.ts";
import {
  BLOCK_DRAFT,
  DRAFTED,
  featureCorpus,
  firstBlockDraft,
  KEPT,
  sharedOf,
  TARGET,
  uploadTarget,
} from "./block_world.ts";
import { assertSlopes, constantsOf } from "./slopes.ts";

const TEACHER = { kept: KEPT, vocabulary: DRAFTED };
const { block } = BLOCK_DRAFT;

async function world() {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const { corpus, entries } = await featureCorpus(device, parameters);
  const shared = await sharedOf(parameters);
  const packed = batches(corpus, { key: keyOf(2), rowsPerBatch: 64, sequenceLength: 48 });
  const batchOf = (anchors: number) =>
    blockBatch(packed.at(0), keyOf(6), { config: BLOCK_DRAFT, anchors, teacher: TEACHER });
  return { device, parameters, entries, shared, packed, batchOf };
}

function trainerOn(device: Device, shared: Awaited<ReturnType<typeof sharedOf>>) {
  return blockTrainer({
    device,
    config: BLOCK_DRAFT,
    vocabulary: DRAFTED,
    loss: { rowwise: kld },
    optimizer: draftOptimizer({ steps: 10, rate: 0.01 }),
    shared: uploadTree(device, shared),
  });
}

/** All metrics of a batch, by first weights. */
async function scored(
  trainer: BlockTrainer<DraftOptimizerState>,
  batch: BlockBatch<DenseHostTensor>,
): Promise<Map<string, number>> {
  const metrics = trainer.evaluate(trainer.init(firstBlockDraft()), batch);
  const found = new Map<string, number>();
  for (const [name, array] of Object.entries(metrics)) found.set(name, (await read(array))[0]);
  return found;
}

/** The batch of one of the blocks, without any text or block that it must not see. */
function alone(batch: BlockBatch<DenseHostTensor>, j: number): BlockBatch<DenseHostTensor> {
  const anchors = batch.tokens.shape[0] / block;
  const [start, end] = [batch.start.data[j], batch.end.data[j]];
  const rows = (column: DenseHostTensor): DenseHostTensor => {
    const [, width = 1] = column.shape;
    const values = Array.from({ length: block }, (_, place) => {
      const row = place * anchors + j;
      return [...column.data.subarray(row * width, (row + 1) * width)];
    }).flat();
    const shape = [block, ...column.shape.slice(1)];
    return column.type === "f32"
      ? hostTensor(Float32Array.from(values), shape)
      : hostTensor(Int32Array.from(values), shape);
  };
  const i32 = (value: number) => hostTensor(new Int32Array(block).fill(value));
  const width = BLOCK_DRAFT.features;
  return {
    ...mapTree(batch, isHostTensor, () => hostTensor(new Int32Array())),
    features: hostTensor(
      Float32Array.from(batch.features.data.subarray(start * width, end * width)),
      [end - start, width],
    ),
    contextPositions: hostTensor(Int32Array.from({ length: end - start }, (_, i) => i)),
    tokens: rows(batch.tokens),
    places: rows(batch.places),
    positions: rows(batch.positions),
    last: i32(end - start - 1),
    start: i32(0),
    end: i32(end - start),
    extra: hostTensor(
      Int32Array.from({ length: block * block }, (_, n) => end - start + n % block),
      [block, block],
    ),
    mask: rows(batch.mask),
    teacher: { classes: rows(batch.teacher.classes), probs: rows(batch.teacher.probs) },
  };
}

Deno.test("blocks of a batch do not see one another: their metrics are means of blocks alone", async () => {
  const { device, shared, batchOf } = await world();
  const trainer = trainerOn(device, shared);
  const anchors = 5;
  const batch = batchOf(anchors);
  const whole = await scored(trainer, batch);
  const each = [];
  for (let j = 0; j < anchors; j++) each.push(await scored(trainer, alone(batch, j)));
  for (let place = 0; place < block; place++) {
    const weights = each.map((_, j) => batch.mask.data[place * anchors + j]);
    const count = weights.reduce((sum, weight) => sum + weight, 0);
    assert(count > 0);
    const mean = each.reduce((sum, metrics) => sum + (metrics.get(`alpha${place}`) ?? NaN), 0);
    assertAlmostEquals(whole.get(`alpha${place}`) ?? NaN, mean / count, 1e-5);
  }
  device.close();
});

Deno.test("what a place is scored on is what decoding drafts there", async () => {
  const { device, parameters, entries, shared, batchOf } = await world();
  const batch = alone(batchOf(9), 4);
  const drafter = uploadTree(device, firstBlockDraft());
  const headOf = compile(device, blockHead);
  const weights = {
    drafter,
    embedding: parameters.embedding,
    head: headOf(drafter, uploadTree(device, shared.kept)),
  };
  const taps = BLOCK_DRAFT.taps;
  const target = llamaModel({ device, config: TARGET, parameters, taps });
  const draft = blockDraft({ device, config: BLOCK_DRAFT, weights, vocabulary: DRAFTED });
  // The text is the one with this token in this place, and the same features before it.
  const known = batch.positions.data[0];
  let matches = 0;
  for (const { prompt, response } of entries) {
    const text = [...prompt, ...response];
    if (text[known] !== batch.tokens.data[0] || known + 1 < prompt.length) continue;
    const { cache } = await target.forward(target.open(), text.slice(0, known), 0);
    const kept = cache.look().memory.features;
    if (kept === undefined) throw new Error("the cache keeps features");
    const last = (await read(kept)).subarray((known - 1) * BLOCK_DRAFT.features);
    const expected = batch.features.data.subarray((known - 1) * BLOCK_DRAFT.features);
    if (expected.some((value, i) => Math.abs(value - last[i]) > 1e-4)) continue;
    matches++;
    const proposal = await draft.propose(await draft.init([]), {
      context: text.slice(0, known + 1),
      gamma: block,
      vocabulary: TARGET.vocabulary,
      warp: temperature(1),
      coin: () => 0.5,
      cache,
    });
    const metrics = await scored(trainerOn(device, shared), batch);
    for (let place = 0; place < block; place++) {
      if (batch.mask.data[place] === 0) continue;
      const p = Array.from(proposal.probs[place]);
      const width = KEPT + 1;
      let [alpha, listed] = [0, 0];
      for (let k = 0; k < KEPT; k++) {
        const at = place * width + k;
        const [id, q] = [batch.teacher.classes.data[at], batch.teacher.probs.data[at]];
        if (id >= 0) [alpha, listed] = [alpha + Math.min(p[DRAFTED.tokenIds[id]], q), listed + q];
      }
      const found = metrics.get(`alpha${place}`) ?? NaN;
      // Tokens that the teacher's row does not list have at most its tail.
      const tail = 1 - listed - batch.teacher.probs.data[place * width + KEPT];
      assert(found > alpha - 1e-4 && found < alpha + tail + 1e-4, `${place}: ${found}, ${alpha}`);
    }
  }
  assert(matches > 0);
  device.close();
});

Deno.test("the gradient of every parameter is the slope of the loss, in doubles", async () => {
  const { device, shared, batchOf } = await world();
  device.close();
  const whole = batchOf(4);
  // Distributions without a tail: what is shared out by the draft's own is held constant.
  const { classes, probs } = whole.teacher;
  const width = KEPT + 1;
  const full = probs.data.map((p, at) => {
    const row = probs.data.subarray(at - at % width, at - at % width + width);
    const total = [...row].reduce((sum, other) => sum + other, 0);
    return total === 0 ? 0 : p / total;
  });
  const teacher = { classes, probs: hostTensor(Float32Array.from(full), probs.shape) };
  const inputs = buildBlockDrafter(BLOCK_DRAFT, ({ name, shape }) => input(shape, "f32", name));
  const loss = blockLoss({ config: BLOCK_DRAFT, vocabulary: DRAFTED, loss: { rowwise: kld } });
  const batch = constantsOf({ ...whole, teacher });
  assertSlopes(loss, inputs, firstBlockDraft(), constantsOf(shared), batch);
});

Deno.test("steps lower every rowwise loss on a batch, and nothing stays on the device", async () => {
  const { device, packed, shared } = await world();
  const options = { config: BLOCK_DRAFT, anchors: 16, teacher: TEACHER };
  const batch = blockBatch(packed.at(0), keyOf(6), options);
  const onDevice = uploadTree(device, shared);
  for (const name of ["kld", "tvd", "tvd++"] as const) {
    const trainer = blockTrainer({
      device,
      config: BLOCK_DRAFT,
      vocabulary: DRAFTED,
      loss: { rowwise: losses[name] },
      optimizer: draftOptimizer({ steps: 30, rate: 0.01 }),
      shared: onDevice,
    });
    let state = trainer.init(firstBlockDraft());
    const slots = device.counters().liveSlots;
    const alphas: number[] = [];
    for (let step = 0; step < 30; step++) {
      const made = trainer.step(state, batch);
      state = made.state;
      alphas.push((await read(made.metrics.alpha))[0]);
      releaseTree(made.metrics);
      assertEquals(device.counters().liveSlots, slots);
    }
    assert(alphas[29] > alphas[0] + 0.1, `${name}: ${alphas[0]} to ${alphas[29]}`);
  }
  device.close();
});
