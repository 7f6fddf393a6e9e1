/** Losslessness: greedy speculation gives plain text and logits, for every dtype and thread count. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import {
  type CacheType,
  draftModel,
  draftPromptLookup,
  llamaModel,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";
import type { WeightType } from "../../src/io/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { EMBEDDED, SMOLLM2, withWeights } from "./files.ts";
import { assertSameText, draftedText, type GreedyText, plainText } from "./watched.ts";

const WEIGHTS: readonly WeightType[] = ["f32", "f16", "keep", "q8", "q4"];
/** Weights and caches that are tried together. */
const TYPES: readonly (readonly [WeightType, CacheType])[] = [
  ...WEIGHTS.map((type) => [type, "f32"] as const),
  ["f32", "f16"],
  ["q8", "f16"],
];
const THREADS = [1, 2];

interface Size {
  readonly prompts: readonly (readonly number[])[];
  readonly gammas: readonly number[];
  readonly maxTokens: number;
}

/** Checks all drafts on one device; gives the plain texts, which thread counts must share. */
async function checkDevice(
  path: string | undefined,
  [type, cacheType]: readonly [WeightType, CacheType],
  threads: number,
  { prompts, gammas, maxTokens }: Size,
): Promise<GreedyText[]> {
  const device = createDevice(wasmBackend({ threads }));
  const texts = await withWeights(device, path, type, async ({ file, parameters }) => {
    const model = llamaModel({ device, config: file.config, parameters, cacheType });
    const found: GreedyText[] = [];
    let accepted = 0;
    for (const prompt of prompts) {
      const plain = await plainText(model, prompt, { maxTokens });
      found.push(plain);
      for (const gamma of gammas) {
        const what = `${type}, ${threads} threads, gamma ${gamma}`;
        const lookup = { draft: draftPromptLookup(), gamma, verify: verifyToken };
        const looked = await draftedText(model, lookup, prompt, { maxTokens });
        assertSameText(looked, plain, `${what}, lookup`);
        const self = { draft: draftModel(model), gamma, verify: verifyBlock };
        const own = await draftedText(model, self, prompt, { maxTokens });
        assertSameText(own, plain, `${what}, self-draft`);
        accepted += own.reports.reduce((sum, report) => sum + report.accepted, 0);
      }
    }
    assert(accepted > 0, "no drafted token was ever accepted");
    return found;
  });
  device.close();
  return texts;
}

/** Repeating ids, so that looking back finds drafts that hold and drafts that do not. */
function promptOf(seed: number): number[] {
  return Array.from({ length: 24 }, (_, i) => (seed * 31 + (i % 5) * 7) % 256);
}

function testModel(name: string, path: string | undefined, size: Size): void {
  for (const types of TYPES) {
    const [type, cacheType] = types;
    Deno.test({
      name:
        `${name}, ${type}, ${cacheType} cache: speculative text and logits are the plain ones, bit for bit, ` +
        `with 1 and 2 threads`,
      ignore: path === undefined,
      fn: async () => {
        const byThreads: GreedyText[][] = [];
        for (const threads of THREADS) {
          byThreads.push(await checkDevice(path, types, threads, size));
        }
        const [alone, together] = byThreads;
        assertEquals(alone.length, size.prompts.length);
        together.forEach((text, i) => assertSameText(text, alone[i], `${type}, prompt ${i}`));
      },
    });
  }
}

testModel("embedded model", EMBEDDED, {
  prompts: [1, 2].map(promptOf),
  gammas: [1, 4, 7],
  maxTokens: 24,
});
testModel("SmolLM2 (model cache)", SMOLLM2, {
  prompts: [promptOf(1)],
  gammas: [4],
  maxTokens: 8,
});
