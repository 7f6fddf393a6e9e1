/**
 * llama.cpp through node-llama-cpp as a rival: requests as lines of JSON, one answer each.
 *
 * A benchmark copies this file beside the installed package and starts it with Node.
 */
import { createInterface } from "node:readline";

const { getLlama, getModuleVersion } = await import("node-llama-cpp");

// Without a limit every context has exactly the threads that it asks for.
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 0, logLevel: "error" });
let loaded = { model: undefined, sequences: new Map() };

async function unload() {
  await loaded.model?.dispose();
  loaded = { model: undefined, sequences: new Map() };
}

/** One model, and one context with one sequence per number of threads. */
async function load({ path, threads, contextSize }) {
  await unload();
  const model = await llama.loadModel({ modelPath: path });
  const sequences = new Map();
  for (const count of threads) {
    const batchSize = Math.min(512, contextSize);
    const context = await model.createContext({ contextSize, batchSize, threads: count });
    sequences.set(count, context.getSequence());
  }
  loaded = { model, sequences };
  return {};
}

async function emptySequence(threads) {
  const sequence = loaded.sequences.get(threads);
  await sequence.clearHistory();
  return sequence;
}

/** Greedy tokens after a prompt whose last token is the first one that is timed. */
async function decode({ threads, prompt, count }) {
  const sequence = await emptySequence(threads);
  if (prompt.length > 1) await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
  const tokens = [];
  const start = performance.now();
  const options = { temperature: 0, yieldEogToken: true };
  for await (const token of sequence.evaluate(prompt.slice(-1), options)) {
    if (tokens.push(token) === count) break;
  }
  return { seconds: (performance.now() - start) / 1000, tokens };
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
