/** SmolLM2-135M-Instruct against another engine, against itself in f32, and with drafts ahead. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import {
  draftModel,
  draftPromptLookup,
  llamaModel,
  logitsOf,
  softmax,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";
import { encodeChat, type WeightType } from "../../src/io/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { type Loaded, sharedFile, SMOLLM2, withWeights } from "./files.ts";
import { assertSameBits, assertSameText, draftedText, plainText } from "./watched.ts";

/** What another engine says of a prompt. */
interface ReferenceCase {
  readonly prompt: string;
  readonly tokens: readonly number[];
  readonly greedy: readonly number[];
  /** The ten largest probabilities of the first steps, as id and probability. */
  readonly top: readonly (readonly (readonly [number, number])[])[];
}

const referenceFile = sharedFile("smollm2_f32_reference.json");
const REFERENCE: readonly ReferenceCase[] = referenceFile === undefined
  ? []
  : JSON.parse(Deno.readTextFileSync(referenceFile)).cases;

/** Prompts of a task that take a short time to read. */
function taskPrompts(task: string, count: number): string[] {
  const file = sharedFile(`tasks/${task}.jsonl`);
  const lines = file === undefined ? [] : Deno.readTextFileSync(file).trimEnd().split("\n");
  const prompts: string[] = lines.map((line) => JSON.parse(line).instruction);
  return prompts.filter(({ length }) => length < 700).slice(0, count);
}

const PROMPTS = [
  ...taskPrompts("open_ended", 7),
  ...taskPrompts("code", 7),
  ...taskPrompts("xsum", 6),
];

/** Uses the model in one precision; everything is given back afterwards. */
async function withModel<Result>(
  type: WeightType,
  use: (model: ReturnType<typeof llamaModel>, loaded: Loaded) => Promise<Result>,
): Promise<Result> {
  const device = createDevice(wasmBackend());
  const result = await withWeights(
    device,
    SMOLLM2,
    type,
    (loaded) =>
      use(
        llamaModel({ device, config: loaded.file.config, parameters: loaded.parameters }),
        loaded,
      ),
  );
  assertEquals(device.counters().liveSlots, 0);
  device.close();
  return result;
}

/** For every case the logits that choose each greedy token, with the other engine's text before. */
function forcedLogits(type: WeightType): Promise<Float32Array[][]> {
  return withModel(type, async (model) => {
    const rows: Float32Array[][] = [];
    for (const { tokens, greedy } of REFERENCE) {
      const text = [...tokens, ...greedy.slice(0, -1)];
      const passed = await model.forward(model.open(), text, greedy.length);
      model.close(passed.cache);
      rows.push([...passed.logits]);
    }
    return rows;
  });
}

function argmax(row: Float32Array): number {
  return row.reduce((best, value, id) => value > row[best] ? id : best, 0);
}

/** How far the logit of another engine's choice may lie below ours for it to be a near-tie. */
const NEAR_TIE = 0.01;

/** Greedy choices must be the other engine's up to the first near-tie, which is reported. */
function compareChoices(rows: readonly Float32Array[], { prompt, greedy }: ReferenceCase): void {
  const place = rows.findIndex((row, i) => argmax(row) !== greedy[i]);
  if (place === -1) return;
  const row = rows[place];
  const gap = row[argmax(row)] - row[greedy[place]];
  assert(gap < NEAR_TIE, `"${prompt}": token ${place} differs with a gap of ${gap}`);
  console.log(`"${prompt}": token ${place} is a near-tie with a gap of ${gap}`);
}

Deno.test({
  name: "SmolLM2 (model cache, shared data): probabilities and greedy ids are another engine's, " +
    "and keep has the bits of f32",
  ignore: SMOLLM2 === undefined || REFERENCE.length === 0,
  fn: async () => {
    const single = await forcedLogits("f32");
    REFERENCE.forEach((expected, index) => {
      expected.top.forEach((tops, step) => {
        const probabilities = softmax(logitsOf(single[index][step]));
        for (const [id, probability] of tops) {
          const error = Math.abs(probabilities[id] - probability);
          assert(error < 1e-3, `step ${step}, token ${id}: off by ${error}`);
        }
      });
      compareChoices(single[index], expected);
    });
    const kept = await forcedLogits("keep");
    kept.forEach((rows, index) =>
      rows.forEach((row, i) => assertSameBits(row, single[index][i], `case ${index}, token ${i}`))
    );
  },
});

Deno.test({
  name: "SmolLM2 (model cache, shared data): speculative text and logits are the plain ones, " +
    "bit for bit, for 20 prompts and gammas 1 to 8",
  ignore: SMOLLM2 === undefined || PROMPTS.length === 0,
  fn: () =>
    withModel("keep", async (model, { file }) => {
      assertEquals(PROMPTS.length, 20);
      const ending = { maxTokens: 24, stopTokens: file.tokenizer.endOfTurn };
      let accepted = 0;
      for (const [index, content] of PROMPTS.entries()) {
        const prompt = encodeChat(file.tokenizer, [{ role: "user", content }]);
        const expected = await plainText(model, prompt, ending);
        const gamma = 1 + index % 8;
        const verify = index % 3 === 0 ? verifyToken : verifyBlock;
        const lookup = { draft: draftPromptLookup(), gamma, verify };
        const looked = await draftedText(model, lookup, prompt, ending);
        assertSameText(looked, expected, `prompt ${index}, lookup, gamma ${gamma}`);
        accepted += looked.reports.reduce((sum, report) => sum + report.accepted, 0);
        if (index % 5 !== 0) continue;
        const self = { draft: draftModel(model), gamma, verify };
        const own = await draftedText(model, self, prompt, ending);
        assertSameText(own, expected, `prompt ${index}, self-draft, gamma ${gamma}`);
        for (const report of own.reports) assertEquals(report.accepted, report.drafted);
      }
      assert(accepted > 20, `only ${accepted} drafted tokens were ever accepted`);
    }),
});
