/**
 * Shows what a model thinks comes after a prompt, and how likely it found the prompt.
 *
 *     deno task logits --target smollm2 --prompt "Once upon a time" --raw
 *
 * @module
 */
import { integer, runCommand, toggle } from "@outrider/outrider/cli";
import { type Logits, softmax } from "@outrider/outrider/decode";
import { deviceFlags, openDevice } from "./common/device.ts";
import { loadModel, targetFlags } from "./common/models.ts";
import { encodePrompt, promptFlags, promptOf } from "./common/prompts.ts";

const flags = {
  ...targetFlags,
  ...promptFlags,
  top: integer({ default: 20, minimum: 1, help: "how many tokens to show" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

/** The ids of the largest logits, the largest first. */
function largest(logits: Logits, count: number): number[] {
  const ids = Array.from(logits, (_, id) => id);
  return ids.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, count);
}

await runCommand({
  name: "logits",
  summary: "Shows the logits after a prompt and the log-probability of each prompt token.",
  flags,
}, async (options, context) => {
  const prompt = await promptOf(options);
  const { device } = openDevice(options);
  const target = await loadModel(device, options.target, options.dtype, context);
  const { tokenizer } = target.file;
  const ids = encodePrompt(target, prompt, options);
  const { model } = target;
  const passed = await model.forward(model.open(), ids, ids.length);
  const last = passed.logits[passed.logits.length - 1];
  const probs = softmax(last);
  const top = largest(last, options.top).map((id) => ({
    id,
    logit: last[id],
    probability: probs[id],
    text: tokenizer.tokenText(id),
  }));
  // The first token follows nothing, so that it has no probability.
  const promptLogProbabilities = ids.map((id, i) => ({
    id,
    text: tokenizer.tokenText(id),
    logProbability: i === 0 ? null : Math.log(softmax(passed.logits[i - 1])[id]),
  }));
  for (const { id, logit, probability, text } of top) {
    context.print(
      `${String(id).padStart(6)} ${logit.toFixed(4).padStart(9)} ${probability.toFixed(6)} ` +
        `${JSON.stringify(text)}\n`,
    );
  }
  model.close(passed.cache);
  device.close();
  return { top, prompt: promptLogProbabilities, dtype: options.dtype, backend: device.name };
});
