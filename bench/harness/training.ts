/**
 * One training step of a draft on our backend and on PyTorch.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import { initLlama, type LlamaConfig, tinyLlama } from "@outrider/outrider/nn";
import { adamW } from "@outrider/outrider/optim";
import { type Device, read, releaseTree } from "@outrider/outrider/runtime";
import { pretrainer, textBatch } from "@outrider/outrider/train";
import { numberIn, type Peer } from "./peer_process.ts";

/** The optimiser's constants, the same on both sides. */
const ADAM = { rate: 0.001, beta2: 0.95, weightDecay: 0.05 };

/** Tokens of a step: `sequences` texts of `length` tokens, all scored. */
export interface BatchSizes {
  readonly sequences: number;
  readonly length: number;
}

/** What a step took, and the loss after it, by which engines are compared. */
export interface TimedStep {
  readonly seconds: number;
  readonly loss: number;
}

/** Sizes of a draft whose heads are 16 or 32 wide. */
export function draftOf(
  sizes: { layers: number; width: number; vocabulary: number; feedForwardWidth: number },
): LlamaConfig {
  const headWidth = sizes.width <= 64 ? 16 : 32;
  const heads = sizes.width / headWidth;
  return tinyLlama({ ...sizes, headWidth, heads, keyValueHeads: heads, contextLength: 256 });
}

/** A text with a pattern to learn: every token decides the next one. */
function tokensOf({ sequences, length }: BatchSizes, vocabulary: number): Int32Array {
  return Int32Array.from(
    { length: sequences * length + 1 },
    (_, i) => (i * i + 7 * i) % Math.min(vocabulary, 499),
  );
}

/** Our step: each call makes `steps` and gives the mean time of one. */
export function ourTraining(
  device: Device,
  config: LlamaConfig,
  sizes: BatchSizes,
  steps: number,
): { readonly run: () => Promise<TimedStep>; readonly close: () => void } {
  const trainer = pretrainer({ device, config, optimizer: adamW(ADAM) });
  const rows = sizes.sequences * sizes.length;
  const tokens = tokensOf(sizes, config.vocabulary);
  const batch = textBatch({
    tokens: tokens.slice(0, rows),
    targets: tokens.slice(1),
    lossMask: new Float32Array(rows).fill(1),
    starts: Int32Array.from({ length: rows }, (_, i) => i - i % sizes.length),
    positions: Int32Array.from({ length: rows }, (_, i) => i % sizes.length),
  });
  let state = trainer.init(initLlama(keyOf(1), config));
  const train = async (): Promise<number> => {
    const made = trainer.step(state, batch);
    state = made.state;
    const [loss] = await read(made.metrics.loss);
    releaseTree(made.metrics);
    return loss;
  };
  const run = async (): Promise<TimedStep> => {
    // Threads end while the other side has its turn; a training run keeps them.
    let loss = await train();
    const start = performance.now();
    for (let step = 0; step < steps; step++) loss = await train();
    return { seconds: (performance.now() - start) / 1000 / steps, loss };
  };
  return { run, close: () => releaseTree(state) };
}

/** PyTorch's step on the same tokens, from first weights of its own; it must be loaded before. */
export function torchTraining(
  peer: Peer,
  config: LlamaConfig,
  sizes: BatchSizes,
  { threads, steps }: { readonly threads: number; readonly steps: number },
): () => Promise<TimedStep> {
  const tokens = [...tokensOf(sizes, config.vocabulary)];
  const { length } = sizes;
  const request = { command: "trainStep", tokens: tokens.slice(0, -1), targets: tokens.slice(1) };
  return async () => {
    const reply = await peer.ask({ ...request, length, threads, steps });
    return { seconds: numberIn(reply, "seconds"), loss: numberIn(reply, "loss") };
  };
}

/** Gives PyTorch a fresh model; returns its number of parameters. */
export async function loadTorch(peer: Peer, config: LlamaConfig): Promise<number> {
  return numberIn(await peer.ask({ command: "trainLoad", config, ...ADAM }), "parameters");
}
