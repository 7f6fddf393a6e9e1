/**
 * Writes one text while target and draft run at the same time: the target in a worker with threads of
 * its own, the draft here.
 *
 *     deno task pearl --target smollm2 --prompt "Why is the sky blue?"
 *
 * @module
 */
import {
  choice,
  integer,
  integerOr,
  number,
  runCommand,
  text,
  toggle,
} from "@outrider/outrider/cli";
import {
  balancedLength,
  type Draft,
  type DraftLength,
  draftModel,
  draftPromptLookup,
  fixedLength,
  type LanguageModel,
  limit,
  measureCosts,
  pearl,
  pearlLength,
  temperature,
  type TokenId,
  untilToken,
  type Warp,
  type WorkerCache,
} from "@outrider/outrider/decode";
import { metricsOf } from "@outrider/outrider/evaluate";
import { openModel, WEIGHT_TYPES } from "@outrider/outrider/io";
import { parameterCount } from "@outrider/outrider/nn";
import type { AnyDecoder } from "./common/decoding.ts";
import { openDevice } from "./common/device.ts";
import { loadDraftModel, type LoadedDraftModel } from "./common/drafts.ts";
import { findModel } from "./common/models.ts";
import { encodePrompt, promptFlags, promptOf } from "./common/prompts.ts";
import { openWorkerModel } from "./common/worker_models.ts";
import { showText, writeText } from "./common/write_text.ts";

const flags = {
  target: text({ placeholder: "MODEL", default: "smollm2", help: "the target" }),
  dtype: choice({ of: WEIGHT_TYPES, default: "keep", help: "how the target's weights are stored" }),
  draft: text({
    placeholder: "DRAFT|auto|lookup",
    default: "auto",
    help: "a draft's path, auto for the draft of the package, lookup for prompt lookup",
  }),
  gamma: integerOr({
    word: "auto",
    default: "auto",
    minimum: 1,
    maximum: 64,
    help: "tokens to draft during a target pass; auto keeps both models busy",
  }),
  ...promptFlags,
  temperature: number({ default: 0, minimum: 0, help: "randomness; 0 is greedy" }),
  maxTokens: integer({ default: 256, minimum: 1, help: "most tokens to write" }),
  seed: integer({ default: 1, help: "the same seed gives the same text" }),
  threads: integerOr({
    word: "auto",
    default: "auto",
    minimum: 1,
    maximum: 64,
    help: "threads of the target; auto leaves one core to the draft",
  }),
  json: toggle({ help: "print one JSON object" }),
};

/** The decoder of a target and a draft that run at the same time. */
function decoderOf<Length>(
  target: LanguageModel<WorkerCache>,
  model: LoadedDraftModel | undefined,
  gamma: DraftLength<Length>,
  { warp, endOfTurn, maxTokens }: {
    readonly warp: Warp;
    readonly endOfTurn: ReadonlySet<TokenId>;
    readonly maxTokens: number;
  },
): AnyDecoder {
  const ahead = <State>(draft: Draft<State>): AnyDecoder => {
    const ended = limit(untilToken(pearl({ target, draft, warp, gamma }), endOfTurn), maxTokens);
    return { run: (use) => use(ended) };
  };
  if (model === undefined) return ahead(draftPromptLookup());
  return ahead(draftModel(model.model, { vocabulary: model.vocabulary }));
}

await runCommand({
  name: "deno task pearl",
  summary: "Writes one text while target and draft run at the same time.",
  flags,
  examples: [
    'deno task pearl --prompt "Why is the sky blue?"',
    'deno task pearl --target embedded --draft lookup --prompt "What is 45 plus 21?" --gamma 4',
  ],
}, async (options, context) => {
  const prompt = await promptOf(options);
  const path = await findModel(options.target, context.progress);
  const file = await openModel(path);
  const { device } = await openDevice({ backend: "wasm", threads: 1 });
  const drafter = options.draft === "lookup" || options.draft === "none"
    ? undefined
    : await loadDraftModel(device, options.draft, "keep", file, context);
  const ids = encodePrompt({ file }, prompt, options);
  const threads = options.threads === "auto"
    ? Math.max(1, navigator.hardwareConcurrency - 1)
    : options.threads;
  const target = await openWorkerModel({ path, dtype: options.dtype, threads });
  try {
    const warp = temperature(options.temperature);
    const vocabulary = drafter?.vocabulary;
    const { endOfTurn } = file.tokenizer;
    const first = options.gamma === "auto"
      ? pearlLength(await measureCosts(target.model, drafter?.model, { warp, vocabulary }))
      : options.gamma;
    const ending = { warp, endOfTurn, maxTokens: options.maxTokens };
    const decoder = options.gamma === "auto"
      ? decoderOf(target.model, drafter, balancedLength({ first, longest: first }), ending)
      : decoderOf(target.model, drafter, fixedLength(first), ending);
    const { seed } = options;
    const onText = options.json ? () => {} : showText;
    const run = { seed, stop: [], signal: context.signal, onText };
    const written = await writeText(decoder, file.tokenizer, ids, run);
    const draftSizeRatio = (drafter?.size ?? 0) / parameterCount(file.config);
    const metrics = metricsOf(written.reports, { draftSizeRatio });
    const { tokensPerSecond, blockEfficiency, acceptance, seconds } = metrics;
    if (!options.json) context.print("\n");
    context.log(
      `${written.tokens.length} tokens, ${tokensPerSecond.toFixed(1)} per second, ` +
        `${blockEfficiency.toFixed(2)} per target pass, ` +
        `${(100 * acceptance).toFixed(0)} % of judged drafts accepted\n`,
    );
    const { text, tokens, finish } = written;
    return {
      text,
      tokens,
      finish,
      firstGamma: first,
      tokensPerSecond,
      blockEfficiency,
      acceptance,
      threads,
      seconds,
    };
  } finally {
    target.close();
    device.close();
    file.close();
  }
});
