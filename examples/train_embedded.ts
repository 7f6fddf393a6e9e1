/**
 * Makes the embedded chat model: trains a tokenizer and a small Llama on the project's own language
 * and writes them as one GGUF file.
 *
 *     deno run -A examples/train_embedded.ts --out out/embedded
 *
 * A killed run goes on from its last checkpoint. The file it ends with is the one in
 * `src/data/embedded/`.
 *
 * @module
 */
import { foldIn, type Key, keyOf, uniform } from "@outrider/outrider";
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import { helpText, integer, number, parseOptions, text } from "@outrider/outrider/cli";
import {
  bytePairCodec,
  type BytePairTokenizer,
  CHAT_TEMPLATE,
  conversation,
  document,
  renderChatMl,
  trainBytePairs,
  trainingConversations,
} from "@outrider/outrider/data";
import { byteLevelMetadata, writeGgufModel } from "@outrider/outrider/io";
import { initLlama, tinyLlama } from "@outrider/outrider/nn";
import { adamW, warmupCosine } from "@outrider/outrider/optim";
import { createDevice, downloadTree } from "@outrider/outrider/runtime";
import {
  batchOfStep,
  every,
  loadCheckpoint,
  newRun,
  type PackedRows,
  pretrainer,
  saveCheckpoint,
  textBatch,
  trainLoop,
  weightReader,
} from "@outrider/outrider/train";

const command = {
  name: "train_embedded",
  summary: "Trains the embedded chat model and its tokenizer.",
  flags: {
    out: text({ placeholder: "DIR", default: "out/embedded", help: "the folder to write to" }),
    steps: integer({ default: 5000, minimum: 1, help: "optimiser steps" }),
    rows: integer({ default: 2048, minimum: 1, help: "tokens per step" }),
    rate: number({ default: 0.003, minimum: 0, help: "peak learning rate" }),
    seed: integer({ default: 1, help: "decides first weights and order of data" }),
  },
};
const parsed = parseOptions(command.flags, Deno.args);
if (parsed.kind !== "run") {
  console.error(parsed.kind === "help" ? helpText(command) : `error: ${parsed.message}`);
  Deno.exit(parsed.kind === "help" ? 0 : 2);
}
const { out, steps: totalSteps, rows: rowsPerBatch, rate, seed } = parsed.options;

const CONFIG = tinyLlama({
  layers: 5,
  width: 128,
  heads: 4,
  keyValueHeads: 4,
  headWidth: 32,
  feedForwardWidth: 352,
  vocabulary: 512,
  contextLength: 512,
  ropePairing: "interleaved",
});

/** Weight of rows outside of answers: the model also learns to write prompts, but not first. */
const PROMPT_WEIGHT = 0.25;
/** Share of plain-text documents. */
const DOCUMENT_SHARE = 0.1;

const tokenizer: BytePairTokenizer = trainBytePairs(
  trainingConversations(seed).take(20_000).map(({ messages }) => renderChatMl(messages)),
);
const { encode } = bytePairCodec(tokenizer);
const [END_OF_TEXT, START, END_OF_TURN] = [0, 1, 2];
const ASSISTANT = encode("assistant")[0];

interface Document {
  readonly tokens: readonly number[];
  readonly weights: readonly number[];
}

/** A conversation in the chat template; rows that predict the answer have weight 1. */
function chatDocument(key: Key): Document {
  const tokens = [...encode(renderChatMl(conversation(key).messages)), END_OF_TEXT];
  let answering = false;
  const weights = tokens.map((token, i) => {
    if (token === START) answering = tokens[i + 1] === ASSISTANT;
    const inside = answering && token !== START;
    if (token === END_OF_TURN) answering = false;
    return inside && token !== END_OF_TURN ? 1 : PROMPT_WEIGHT;
  });
  return { tokens, weights };
}

function plainDocument(key: Key): Document {
  const tokens = [...encode(document(key)), END_OF_TEXT];
  return { tokens, weights: tokens.map(() => 1) };
}

/** The batch of a step: documents one after another until the rows are full. */
function batch(step: number): PackedRows {
  const key = foldIn(keyOf(seed), step + 1_000_000);
  const rows = {
    tokens: new Int32Array(rowsPerBatch),
    targets: new Int32Array(rowsPerBatch).fill(-1),
    lossMask: new Float32Array(rowsPerBatch),
    starts: new Int32Array(rowsPerBatch),
    positions: new Int32Array(rowsPerBatch),
  };
  for (let from = 0, i = 0; from < rowsPerBatch; i++) {
    const own = foldIn(key, i);
    const plain = uniform(foldIn(own, "plain")) < DOCUMENT_SHARE;
    const { tokens, weights } = plain ? plainDocument(own) : chatDocument(own);
    const count = Math.min(tokens.length - 1, rowsPerBatch - from);
    for (let k = 0; k < count; k++) {
      rows.tokens[from + k] = tokens[k];
      rows.targets[from + k] = tokens[k + 1];
      rows.lossMask[from + k] = weights[k];
      rows.starts[from + k] = from;
      rows.positions[from + k] = k;
    }
    from += count;
  }
  return rows;
}

const recipe = JSON.stringify({ CONFIG, totalSteps, rowsPerBatch, seed, rate: `${rate}` });
const checkpoint = `${out}/checkpoint.safetensors`;
await Deno.mkdir(out, { recursive: true });
const device = createDevice(wasmBackend());
const optimizer = adamW({
  rate: warmupCosine({
    warmupSteps: Math.min(200, Math.ceil(totalSteps / 10)),
    totalSteps,
    peak: rate,
    end: rate / 30,
  }),
  beta2: 0.95,
  weightDecay: 0.1,
});
const trainer = pretrainer({ device, config: CONFIG, optimizer });
const fresh = trainer.init(initLlama(keyOf(seed), CONFIG));
const restored = await loadCheckpoint(device, checkpoint, fresh, recipe);
const source = batchOfStep((step) => textBatch(batch(step)));
const { state } = await trainLoop({
  trainer,
  state: restored?.state ?? fresh,
  progress: restored?.progress ?? newRun(source),
  totalSteps,
  source,
  saveAt: every(250, "checkpoints"),
  save: (current, progress) =>
    saveCheckpoint(checkpoint, current, { progress, totalSteps, recipe }),
  onStep: ({ step, tokens, seconds, metrics }) => {
    if (step % 50 > 0 && step > 3) return;
    const speed = Math.round(tokens / seconds);
    console.error(`step ${step}/${totalSteps} loss ${metrics.loss.toFixed(4)} ${speed} tokens/s`);
  },
});
const parameters = await downloadTree(state.parameters);
await writeGgufModel(`${out}/embedded.gguf`, {
  name: "Outrider embedded chat model",
  config: CONFIG,
  readWeight: weightReader(parameters),
  tokenizer: byteLevelMetadata({
    tokens: tokenizer.vocabulary,
    merges: tokenizer.merges,
    control: [END_OF_TEXT, START, END_OF_TURN],
    preTokenizer: "smollm",
    bos: END_OF_TEXT,
    eos: END_OF_TURN,
    chatTemplate: CHAT_TEMPLATE,
  }),
  format: "F16",
});
device.close();
