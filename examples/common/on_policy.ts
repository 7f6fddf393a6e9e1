/**
 * Finetuning on what the draft drafts itself, as a command runs it.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { integer, type OptionsOf } from "@outrider/outrider/cli";
import { llamaModel } from "@outrider/outrider/decode";
import { loadLlama, type ModelFile, type WeightType } from "@outrider/outrider/io";
import { releaseTree, uploadsTo } from "@outrider/outrider/runtime";
import {
  onPolicyDraft,
  type OnPolicyOptions,
  type SpeculationOptions,
  type StageResult,
} from "@outrider/outrider/train";

/** Flags of `--loss on-policy`. */
export const onPolicyFlags = {
  gamma: integer({ default: 3, minimum: 1, help: "tokens drafted at a time, of --loss on-policy" }),
  recordTokens: integer({
    default: 64,
    minimum: 1,
    help: "tokens of each text that is learnt from, of --loss on-policy",
  }),
  recordPrompts: integer({
    default: 8,
    minimum: 1,
    help: "texts that are written at a time, of --loss on-policy",
  }),
  refreshEvery: integer({
    default: 20,
    minimum: 1,
    help: "steps, and a checkpoint, from one writing of texts to the next, of --loss on-policy",
  }),
};

/** Tokens of the target's distributions that are kept in each place. */
const TEACHER_TOKENS = 64;

type OnPolicyFlags = OptionsOf<typeof onPolicyFlags>;

function speculationOf(target: ModelFile, flags: OnPolicyFlags): SpeculationOptions {
  const { endOfTurn } = target.tokenizer;
  return {
    gamma: flags.gamma,
    tokens: flags.recordTokens,
    isEnd: (token) => endOfTurn.has(token),
    prompts: flags.recordPrompts,
    every: flags.refreshEvery,
    teacherTokens: TEACHER_TOKENS,
  };
}

/** Trains a draft on what it drafts ahead of the target. */
export async function finetuneOnPolicy(
  target: ModelFile,
  flags: OnPolicyFlags & { readonly teacher: string; readonly dtype: WeightType },
  options: Omit<OnPolicyOptions<never>, "target" | "speculation">,
): Promise<StageResult> {
  if (flags.teacher === "cached") {
    throw new OutriderError(
      "the target itself to judge what the draft writes",
      "--teacher cached with --loss on-policy",
      "leave out --teacher",
    );
  }
  if (options.validation?.cachedTokens === 0) {
    throw new OutriderError(
      "sets with the target's distributions to score a draft on",
      "one without",
      "write it with --teacher-tokens, or leave out --validation",
    );
  }
  const { device } = options;
  const { config } = target;
  const parameters = await loadLlama(target, flags.dtype, uploadsTo(device));
  try {
    return await onPolicyDraft({
      ...options,
      target: llamaModel({ device, config, parameters }),
      speculation: speculationOf(target, flags),
    });
  } finally {
    releaseTree(parameters);
  }
}
