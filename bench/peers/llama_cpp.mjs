/**
 * llama.cpp through node-llama-cpp as a rival: requests as lines of JSON, one answer each.
 *
 * A benchmark copies this file beside the installed package and starts it with Node.
 */
import { createInterface } from "node:readline";

const { DraftSequenceTokenPredictor, getLlama, getModuleVersion } = await import("node-llama-cpp");

// Without a limit every context has exactly the threads that it asks for.
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 0, logLevel: "error" });
let loaded = { models: [], sequences: new Map() };

async function unload() {
  for (const model of loaded.models) await model.dispose();
  loaded = { models: [], sequences: new Map() };
}

/** The name of a sequence: plain ones by their threads, others also by what predicts. */
const keyOf = (threads, predictor) =>
  predictor === undefined ? `${threads}` : `${threads} ${predictor}`;

/**
 * One model, and one context with one sequence per number of threads; with a draft also one for each
 * way to predict, by name the options of the engine's own predictor.
 */
async function load({ path, threads, contextSize, draft }) {
  await unload();
  const model = await llama.loadModel({ modelPath: path });
  const ahead = draft && await llama.loadModel({ modelPath: draft.path });
  const sequences = new Map();
  const sequenceOf = async (model, count, options) => {
    const batchSize = Math.min(512, contextSize);
    const context = await model.createContext({ contextSize, batchSize, threads: count });
    return context.getSequence(options);
  };
  for (const count of threads) {
    sequences.set(keyOf(count), await sequenceOf(model, count));
    for (const [name, options] of Object.entries(draft?.predictors ?? {})) {
      const draftSequence = await sequenceOf(ahead, count);
      const tokenPredictor = new DraftSequenceTokenPredictor(draftSequence, options);
      sequences.set(keyOf(count, name), await sequenceOf(model, count, { tokenPredictor }));
    }
  }
  loaded = { models: ahead ? [model, ahead] : [model], sequences };
  return {};
}

async function emptySequence(threads, predictor) {
  const sequence = loaded.sequences.get(keyOf(threads, predictor));
  await sequence.clearHistory();
  return sequence;
}

/**
 * Greedy tokens after a prompt whose last token is the first one that is timed, up to a number or a
 * token that ends the answer; with a predictor also how many of them it had foreseen.
 */
async function decode({ threads, predictor, prompt, count, stops = [] }) {
  const sequence = await emptySequence(threads, predictor);
  if (prompt.length > 1) await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
  const before = sequence.tokenPredictions;
  const tokens = [];
  const start = performance.now();
  const options = { temperature: 0, yieldEogToken: true };
  for await (const token of sequence.evaluate(prompt.slice(-1), options)) {
    if (tokens.push(token) === count || stops.includes(token)) break;
  }
  const seconds = (performance.now() - start) / 1000;
  const after = sequence.tokenPredictions;
  const used = after.used - before.used;
  return { seconds, tokens, used, refuted: after.refuted - before.refuted };
}

/** A pass over a prompt, without logits. */
async function prefill({ threads, prompt }) {
  const sequence = await emptySequence(threads);
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt);
  return { seconds: (performance.now() - start) / 1000 };
}

const COMMANDS = { load, decode, prefill };

function answer(reply) {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

answer({ version: await getModuleVersion(), cores: llama.cpuMathCores });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...request } = JSON.parse(line);
  try {
    answer(await COMMANDS[command](request));
  } catch (error) {
    answer({ error: String(error?.message ?? error) });
  }
}
await unload();
process.exit(0);
