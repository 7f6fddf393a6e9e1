/**
 * Shows what a model thinks comes after a prompt, and how likely it found the prompt.
 *
 *     deno task logits --target smollm2 --prompt "Once upon a time" --raw
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { formatTable, integer, runCommand, toggle } from "@outrider/outrider/cli";
import {
  type LanguageModel,
  type Logits,
  logitsOf,
  softmax,
  type TokenId,
} from "@outrider/outrider/decode";
import { deviceFlags, openDevice } from "./common/device.ts";
import { cacheFlags, loadModel, targetFlags } from "./common/models.ts";
import { encodePrompt, promptFlags, promptOf } from "./common/prompts.ts";

const flags = {
  ...targetFlags,
  ...cacheFlags,
  ...promptFlags,
  top: integer({ default: 20, minimum: 1, help: "how many tokens to show" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

/** Prompt tokens of one pass, whose logits are then let go of: a long prompt's would fill memory. */
const MOST_ROWS = 64;

/** The ids of the largest logits, the largest first. */
function largest(logits: Logits, count: number): number[] {
  const ids = Array.from(logits, (_, id) => id);
  return ids.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, count);
}

/** The logarithm of a token's probability; it does not underflow as the probability itself does. */
function logProbability(logits: Logits, id: TokenId): number {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  return logits[id] - most - Math.log(total);
}

/** What a model thought of each token of a prompt, and what it thinks comes after it. */
async function readPrompt<Cache>(
  model: LanguageModel<Cache>,
  ids: readonly TokenId[],
): Promise<{ readonly found: readonly number[]; readonly last: Logits }> {
  const found: number[] = [];
  let cache = model.open();
  let last = logitsOf([0]);
  for (let from = 0; from < ids.length; from += MOST_ROWS) {
    const part = ids.slice(from, from + MOST_ROWS);
    const passed = await model.forward(cache, part, part.length);
    cache = passed.cache;
    for (const [i, row] of passed.logits.entries()) {
      last = row;
      const next = from + i + 1;
      if (next < ids.length) found.push(logProbability(row, ids[next]));
    }
  }
  model.close(cache);
  return { found, last };
}

await runCommand({
  name: "deno task logits",
  summary: "Shows the logits after a prompt and the log-probability of each prompt token.",
  flags,
  examples: ['deno task logits --target embedded --prompt "Once upon a time" --raw'],
}, async (options, context) => {
  const prompt = await promptOf(options);
  const { device } = await openDevice(options);
  const target = await loadModel(device, options.target, options, context);
  const { tokenizer } = target.file;
  const ids = encodePrompt(target, prompt, options);
  if (ids.length === 0) {
    throw new OutriderError("a prompt of at least one token", "none", "write a longer prompt");
  }
  const { found, last } = await readPrompt(target.model, ids);
  const probs = softmax(last);
  const top = largest(last, options.top).map((id) => ({
    id,
    logit: last[id],
    probability: probs[id],
    text: tokenizer.tokenText(id),
  }));
  // The first token follows nothing, so that it has no probability.
  const promptTokens = ids.map((id, i) => ({
    id,
    text: tokenizer.tokenText(id),
    logProbability: i === 0 ? null : found[i - 1],
  }));
  const promptRows = promptTokens.map(({ id, text, logProbability }) => [
    id,
    JSON.stringify(text),
    logProbability?.toFixed(4) ?? "",
  ]);
  const topRows = top.map(({ id, text, logit, probability }) => [
    id,
    JSON.stringify(text),
    logit.toFixed(4),
    probability.toFixed(6),
  ]);
  context.print(`${formatTable(["prompt", "text", "log-probability"], promptRows)}\n`);
  context.print(`${formatTable(["next", "text", "logit", "probability"], topRows)}`);
  device.close();
  return { top, prompt: promptTokens, dtype: options.dtype, backend: device.name };
});
