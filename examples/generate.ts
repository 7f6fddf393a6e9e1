/**
 * Writes one text with a target model, plain or with a draft running ahead.
 *
 *     deno task generate --target smollm2 --prompt "Why is the sky blue?"
 *
 * @module
 */
import { runCommand, toggle } from "@outrider/outrider/cli";
import { metricsOf } from "@outrider/outrider/evaluate";
import { decoderOf, loadDraft } from "./common/decoding.ts";
import { deviceFlags, openDevice } from "./common/device.ts";
import { cacheFlags, loadModel, targetFlags } from "./common/models.ts";
import { encodePrompt, promptFlags, promptOf } from "./common/prompts.ts";
import { showText, writeText } from "./common/write_text.ts";
import { decodingFlags, warpsOf } from "./common/warps.ts";

const flags = {
  ...targetFlags,
  ...cacheFlags,
  ...promptFlags,
  ...decodingFlags,
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

await runCommand({
  name: "deno task generate",
  summary: "Writes one text with a target model, plain or with a draft running ahead.",
  flags,
  examples: [
    'deno task generate --target embedded --prompt "What is 45 plus 21?"',
    'deno task generate --target smollm2 --draft lookup --prompt "Why is the sky blue?"',
    "deno task generate --target smollm2 --draft out/block/block-draft.safetensors " +
    '--prompt "Why is the sky blue?"',
  ],
}, async (options, context) => {
  const started = performance.now();
  const prompt = await promptOf(options);
  const { device, threads } = await openDevice(options);
  const target = await loadModel(device, options.target, options, context);
  const draft = await loadDraft(device, options.draft, options.dtype, target, context);
  const promptIds = encodePrompt(target, prompt, options);
  const decoder = await decoderOf(target, draft, { ...options, ...warpsOf(options) });
  const load = (performance.now() - started) / 1000;
  const { signal } = context;
  const onText = options.json ? () => {} : showText;
  const run = { ...options, signal, onText };
  const { tokens, text, reports } = await writeText(
    decoder,
    target.file.tokenizer,
    promptIds,
    run,
  );
  const draftSizeRatio = draft.size / target.size;
  const metrics = metricsOf(reports, { draftSizeRatio });
  const { seconds, tokensPerSecond, blockEfficiency } = metrics;
  if (!options.json) context.print("\n");
  context.log(
    `${tokens.length} tokens, ${tokensPerSecond.toFixed(1)} per second, ` +
      `${blockEfficiency.toFixed(2)} per target pass\n`,
  );
  device.close();
  return {
    text,
    tokens,
    promptTokens: promptIds.length,
    prefillTokensPerSecond: seconds.prefill > 0 ? promptIds.length / seconds.prefill : 0,
    decodeTokensPerSecond: tokensPerSecond,
    steps: metrics.targetPasses,
    blockEfficiency,
    acceptance: metrics.acceptanceConditional,
    backend: device.name,
    dtype: options.dtype,
    threads,
    seconds: { load, ...seconds },
  };
});
