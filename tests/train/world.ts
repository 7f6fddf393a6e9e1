/** A world small enough to train in seconds: a peaked random target, and text that can be learnt. */
import { hostTensor, isHostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, keyOf, normals, uniformInteger } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Corpus, DistillationEntry } from "../../src/data/mod.ts";
import { leavesWithPaths } from "../../src/core/tree.ts";
import { buildLlama, type LlamaConfig, type LlamaParameters, tinyLlama } from "../../src/nn/mod.ts";
import { type Device, type DeviceArray, upload } from "../../src/runtime/mod.ts";
import { distillationEntries, type DistillOptions } from "../../src/train/mod.ts";

/** Sizes of the target. */
export const TARGET: LlamaConfig = tinyLlama({
  layers: 2,
  width: 16,
  heads: 2,
  keyValueHeads: 1,
  headWidth: 8,
  feedForwardWidth: 32,
  vocabulary: 16,
  contextLength: 48,
});
/** Sizes of the draft. */
export const DRAFT: LlamaConfig = { ...TARGET, layers: 1, width: 8, headWidth: 4 };
/** The token that ends a text. */
export const STOP = 15;

/** Texts that count up from a seeded start, round a circle of 12 tokens. */
export const COUNTING: Corpus = {
  length: 40,
  document: (index) => {
    const key = foldIn(keyOf(5), index);
    const start = uniformInteger(key, 12);
    const length = 5 + uniformInteger(foldIn(key, "length"), 20);
    const tokens = Array.from({ length }, (_, i) => (start + i) % 12);
    return { tokens: Int32Array.from(tokens), weights: new Float32Array(length).fill(1) };
  },
};

/** The target's weights on a device: large, so that its distributions are peaked. */
export function uploadTarget(device: Device): LlamaParameters<DeviceArray> {
  return buildLlama(TARGET, ({ name, shape }) => {
    const values = normals(foldIn(keyOf(8), name), sizeOf(shape));
    const scale = shape.length === 1 ? 0 : name === "embedding" ? 0.5 : 1.5 * shape[1] ** -0.5;
    const shift = shape.length === 1 ? 1 : 0;
    return upload(device, hostTensor(values.map((value) => shift + scale * value), shape));
  });
}

/** Seeded prompts. */
export function promptsOf(count: number): number[][] {
  return Array.from({ length: count }, (_, i) => {
    const key = foldIn(keyOf(21), i);
    const length = 1 + uniformInteger(key, 9);
    return Array.from({ length }, (_, k) => uniformInteger(foldIn(key, k), 15));
  });
}

/** The target's answers to the seeded prompts. */
export async function answersOf(
  device: Device,
  parameters: LlamaParameters<DeviceArray>,
  options: Partial<DistillOptions> = {},
): Promise<DistillationEntry[]> {
  return await Array.fromAsync(distillationEntries({
    device,
    target: { config: TARGET, parameters },
    prompts: promptsOf(24),
    done: 0,
    temperatures: [0, 0.7, 1],
    topP: 0.95,
    maximumTokens: 12,
    stopTokens: new Set([STOP]),
    seed: 3,
    sequences: 4,
    ...options,
  }));
}

/** All weights of a tree as their bits, by name. */
export function bitsOf(parameters: unknown): Map<string, Uint32Array> {
  return new Map(
    leavesWithPaths(parameters, isHostTensor)
      .map(({ path, leaf }) => [path, new Uint32Array(leaf.data.slice().buffer)]),
  );
}
