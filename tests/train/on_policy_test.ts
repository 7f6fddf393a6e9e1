/** On-policy rows are exactly what was drafted, where it was drafted, whatever the layout. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import {
  type DenseHostTensor,
  foldIn,
  type HostTensor,
  hostTensor,
  keyOf,
  normals,
  sizeOf,
  type Tensor,
  valueAndGrad,
} from "../../src/core/mod.ts";
import {
  type Draft,
  draftModel,
  draftNone,
  functionModel,
  generate,
  llamaModel,
  speculative,
  temperature,
  type TokenId,
  verifyToken,
  type Warp,
} from "../../src/decode/mod.ts";
import { onPolicyCorrection } from "../../src/losses/mod.ts";
import { buildLlama, llama, llamaLogits, type LlamaParameters } from "../../src/nn/mod.ts";
import {
  compile,
  createDevice,
  downloadTree,
  read,
  releaseTree,
  uploadTree,
} from "../../src/runtime/mod.ts";
import {
  type OnPolicyBatch,
  onPolicyBatches,
  type OnPolicyLayout,
  onPolicyLlamaRows,
  recordedText,
  recordSpeculation,
  rememberProposal,
  type SpeculationRecord,
  suffixesApart,
  suffixesAsBranches,
} from "../../src/train/mod.ts";
import { counted, hashLogits, hashModel, nearModel } from "../decode/mock_models.ts";
import { TINY } from "../decode/tiny_llama.ts";

const LAYOUTS: Readonly<Record<string, OnPolicyLayout>> = { suffixesApart, suffixesAsBranches };
const VOCABULARY = 6;

/** A drafted token, the tokens that it followed, and what became of it. */
interface Drafted {
  readonly prefix: readonly TokenId[];
  readonly token: TokenId;
  /** -1 where it was accepted, else its depth in the rejected suffix. */
  readonly depth: number;
}

/** A decoder of mock models, and what its parts were asked and gave, noted outside of the library. */
function noted(seed: number, warp: Warp, gamma: number) {
  const logits = hashLogits(seed, VOCABULARY);
  const target = counted(functionModel({ vocabulary: VOCABULARY, contextLength: 40, logits }));
  const model = counted(nearModel(seed + 100, logits, VOCABULARY, 40));
  const expected: Drafted[] = [];
  let [context, tokens]: (readonly TokenId[])[] = [[], []];
  const inner = draftModel(model);
  const draft: Draft<Awaited<ReturnType<typeof inner.init>>> = {
    ...inner,
    propose: async (state, request) => {
      const proposal = await inner.propose(state, request);
      [context, tokens] = [request.context, proposal.tokens];
      return proposal;
    },
  };
  const drafting = rememberProposal(draft);
  const silent = speculative({ target, draft: drafting, verify: verifyToken, warp, gamma });
  const decoder: typeof silent = {
    ...silent,
    step: async (state) => {
      const step = await silent.step(state);
      const { drafted, accepted } = step.report;
      tokens.slice(0, drafted).forEach((token, i) =>
        expected.push({
          prefix: [...context, ...tokens.slice(0, i)],
          token,
          depth: i < accepted ? -1 : i - accepted,
        })
      );
      return step;
    },
  };
  return { decoder, expected, alive: () => target.alive() + model.alive() };
}

/** The rows that a row sees, in the order in which attention reads them. */
function seenBy(batch: OnPolicyBatch<DenseHostTensor>, row: number): number[] {
  const [start, end] = [batch.starts.data[row], batch.ends.data[row]];
  const width = batch.branches?.shape[1] ?? 0;
  const branch = batch.branches?.data.slice(row * width, (row + 1) * width) ?? [];
  return [
    ...Array.from({ length: end - start }, (_, i) => start + i),
    ...[...branch].filter((other) => other >= 0),
  ];
}

/** What the rows of batches say was drafted. */
function draftedOf(batches: readonly OnPolicyBatch<DenseHostTensor>[]): Drafted[] {
  return batches.flatMap((batch) =>
    [...batch.drafted.data].flatMap((token, row) => {
      const [accepted, depth] = [batch.accepted.data[row], batch.rejectedDepth.data[row]];
      assertEquals(token >= 0, accepted === 1 || depth >= 0);
      assert(accepted === 0 || depth === -1);
      if (token < 0) return [];
      const seen = seenBy(batch, row);
      assertEquals(seen.map((other) => batch.positions.data[other]), [...seen.keys()]);
      assertEquals(seen.at(-1), row);
      return [{ prefix: seen.map((other) => batch.tokens.data[other]), token, depth }];
    })
  );
}

const sorted = (drafted: readonly Drafted[]): string[] =>
  drafted.map((one) => JSON.stringify([one.prefix, one.token, one.depth])).sort();

const never = () => false;

for (const [name, layout] of Object.entries(LAYOUTS)) {
  Deno.test(`${name}: every drafted token is scored once, on the prefix that the draft had`, async () => {
    let deepest = 0;
    for (const warp of [temperature(0), temperature(1)]) {
      for (const gamma of [1, 2, 3, 5]) {
        for (const seed of [1, 2, 3]) {
          const { decoder, expected, alive } = noted(seed, warp, gamma);
          const prompt = [3, 1, 4, 1].slice(0, seed);
          const options = { key: keyOf(seed), tokens: 30, isEnd: never };
          const record = await recordSpeculation(decoder, prompt, options);
          assertEquals(alive(), 0);
          const pieces = layout(record);
          for (const rows of [Math.max(...pieces.map((piece) => piece.length)), 500]) {
            assertEquals(sorted(draftedOf(onPolicyBatches(pieces, rows))), sorted(expected));
          }
          deepest = Math.max(deepest, ...expected.map(({ depth }) => depth));
        }
      }
    }
    assertEquals(deepest, 4);
  });
}

Deno.test("the text of a record is what decoding without a record gives", async () => {
  for (const gamma of [1, 4]) {
    const { decoder } = noted(5, temperature(1), gamma);
    const record = await recordSpeculation(decoder, [2, 0], {
      key: keyOf(9),
      tokens: 100,
      isEnd: never,
    });
    const { tokens } = await generate(noted(5, temperature(1), gamma).decoder, [2, 0], {
      key: keyOf(9),
    });
    assertEquals(recordedText(record), [2, 0, ...tokens]);
  }
});

Deno.test("a record stops at the token that ends the text, and so do the proposals", async () => {
  const ends = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const isEnd = (token: TokenId) => token === 4;
    const { decoder, alive } = noted(seed, temperature(1), 4);
    const options = { key: keyOf(seed), tokens: 30, isEnd };
    const record = await recordSpeculation(decoder, [0, 1], options);
    const text = recordedText(record);
    const end = text.findIndex(isEnd);
    if (end >= 0) assertEquals(end, text.length - 1);
    for (const { drafted } of record.steps) {
      const stop = drafted.findIndex(isEnd);
      assert(stop < 0 || stop === drafted.length - 1);
    }
    assertEquals(alive(), 0);
    for (const layout of Object.values(LAYOUTS)) {
      const drafted = record.steps.reduce((sum, step) => sum + step.drafted.length, 0);
      assertEquals(draftedOf(onPolicyBatches(layout(record), 500)).length, drafted);
    }
    if (end >= 0) ends.add(record.steps.at(-1)?.next === undefined ? "drafted" : "target");
  }
  assertEquals(ends, new Set(["drafted", "target"]));
});

Deno.test("a recording that fails or is aborted releases what it held", async () => {
  const { decoder, alive } = noted(1, temperature(1), 3);
  const options = { key: keyOf(1), tokens: 30, isEnd: never };
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    () => recordSpeculation(decoder, [1], { ...options, signal }),
    Error,
    "enough",
  );
  assertEquals(alive(), 0);
  const broken: typeof decoder = {
    ...decoder,
    step: (state) => {
      decoder.close(state);
      return Promise.reject(new Error("broken"));
    },
  };
  await assertRejects(() => recordSpeculation(broken, [1], options), Error, "broken");
  assertEquals(alive(), 0);
  await assertRejects(
    () => recordSpeculation(decoder, [1], { ...options, tokens: 0 }),
    OutriderError,
  );
});

Deno.test("where nothing is drafted no row is scored", async () => {
  const target = hashModel(3, VOCABULARY, 20);
  const draft = rememberProposal(draftNone());
  const warp = temperature(1);
  const decoder = speculative({ target, draft, verify: verifyToken, warp, gamma: 2 });
  const record = await recordSpeculation(decoder, [1], { key: keyOf(2), tokens: 5, isEnd: never });
  const [batch] = onPolicyBatches(suffixesAsBranches(record), 8);
  assertEquals([...batch.drafted.data], new Array(8).fill(-1));
  assertEquals([...batch.tokens.data.slice(0, 5)], [...recordedText(record).slice(0, 5)]);
});

Deno.test("unused rows see themselves alone, and all batches have one shape", () => {
  const record: SpeculationRecord = {
    prompt: [1, 2],
    steps: [{ drafted: [3, 4, 5], accepted: 0, next: 1 }, {
      drafted: [2, 2],
      accepted: 1,
      next: 0,
    }],
  };
  const pieces = [record, { ...record, steps: [] }, record].flatMap(suffixesAsBranches);
  const batches = onPolicyBatches(pieces, 9);
  assertEquals(batches.length, 2);
  for (const batch of batches) {
    assertEquals(batch.branches?.shape, [9, 2]);
    for (const row of [...batch.tokens.data.keys()]) assertEquals(seenBy(batch, row).at(-1), row);
    assertEquals(seenBy(batch, 8), [8]);
  }
  assertEquals(onPolicyBatches([], 4), []);
});

Deno.test("records that cannot have been are refused, and pieces larger than a batch", () => {
  const text = (steps: SpeculationRecord["steps"], prompt = [1]) => () =>
    recordedText({ prompt, steps });
  assertThrows(text([{ drafted: [1], accepted: 2, next: 0 }]), OutriderError, "2 of 1");
  assertThrows(text([{ drafted: [1], accepted: 0 }]), OutriderError, "no token behind");
  assertThrows(
    text([{ drafted: [1], accepted: 1 }, { drafted: [], accepted: 0, next: 1 }]),
    OutriderError,
    "no token behind",
  );
  assertThrows(text([], []), OutriderError, "a record with a prompt");
  const pieces = suffixesApart({ prompt: [1, 2, 3], steps: [] });
  assertThrows(() => onPolicyBatches(pieces, 1), OutriderError, "one of 2");
});

/** Weights so large that distributions are peaked, and drafts of other weights rejected. */
function peaked(seed: number): LlamaParameters<HostTensor> {
  return buildLlama(TINY, ({ name, shape }) => {
    const values = normals(foldIn(keyOf(seed), name), sizeOf(shape));
    const scale = shape.length === 1 ? 0 : name === "embedding" ? 0.3 : 1.5 * shape[1] ** -0.5;
    return hostTensor(values.map((x) => (shape.length === 1 ? 1 : 0) + scale * x), shape);
  });
}

/** A record of two tiny Llamas, and both of them on a device. */
async function llamaRecord() {
  const device = createDevice(wasmBackend());
  const [parameters, other] = [4, 5].map((seed) => uploadTree(device, peaked(seed)));
  const target = llamaModel({ device, config: TINY, parameters });
  const draft = rememberProposal(
    draftModel(llamaModel({ device, config: TINY, parameters: other })),
  );
  const warp = temperature(1);
  const decoder = speculative({ target, draft, verify: verifyToken, warp, gamma: 4 });
  const options = { key: keyOf(6), tokens: 40, isEnd: never };
  const record = await recordSpeculation(decoder, [7, 8, 9], options);
  const accepted = record.steps.reduce((sum, step) => sum + step.accepted, 0);
  assert(accepted > 0 && record.steps.some((step) => step.accepted === 0));
  return { device, parameters, other, target, record };
}

Deno.test("a batch's logits are to the bit those of a pass over the draft's own prefix", async () => {
  const { device, parameters, target, record } = await llamaRecord();
  const logitsOf = compile(
    device,
    (p: LlamaParameters<Tensor>, batch: OnPolicyBatch<Tensor>) =>
      llamaLogits(p, llama(TINY, p, onPolicyLlamaRows(batch)).hidden),
  );
  for (const layout of Object.values(LAYOUTS)) {
    const [batch, ...more] = onPolicyBatches(layout(record), 1500);
    assertEquals(more, []);
    const found = await read(logitsOf(parameters, uploadTree(device, batch)));
    for (const [row, token] of batch.drafted.data.entries()) {
      if (token < 0) continue;
      const prefix = seenBy(batch, row).map((other) => batch.tokens.data[other]);
      const { cache, logits: [expected] } = await target.forward(target.open(), prefix, 1);
      target.close(cache);
      const { vocabulary } = TINY;
      assertEquals(
        found.slice(row * vocabulary, (row + 1) * vocabulary),
        Float32Array.from(expected),
      );
    }
  }
  device.close();
});

Deno.test("both layouts give one loss and one gradient", async () => {
  const { device, parameters, other, record } = await llamaRecord();
  const score = (
    draft: LlamaParameters<Tensor>,
    target: LlamaParameters<Tensor>,
    batch: OnPolicyBatch<Tensor>,
  ): Tensor => {
    const logits = (p: LlamaParameters<Tensor>) =>
      llamaLogits(p, llama(TINY, p, onPolicyLlamaRows(batch)).hidden);
    return onPolicyCorrection(logits(draft), logits(target), batch.accepted, batch.rejectedDepth);
  };
  const run = compile(device, valueAndGrad(score));
  const results = [];
  for (const layout of Object.values(LAYOUTS)) {
    const batch = uploadTree(device, onPolicyBatches(layout(record), 1500)[0]);
    const { value, gradients } = await downloadTree(run(other, parameters, batch));
    results.push({ value: value.data[0], gradient: gradients.layers[0].key.data });
    releaseTree(batch);
  }
  const [apart, branches] = results;
  assert(apart.value > 0.1);
  assertAlmostEquals(branches.value, apart.value, 1e-6);
  const size = Math.max(...apart.gradient.map(Math.abs));
  assert(size > 0);
  branches.gradient.forEach((g, i) => assertAlmostEquals(g, apart.gradient[i], 1e-4 * size));
  device.close();
});
