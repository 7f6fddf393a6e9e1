/**
 * What the commands that write distillation sets share, whoever answers: flags, prompts and the
 * manifest.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { type CommandContext, integer, number, numbers } from "@outrider/outrider/cli";
import type { Message, SetManifest } from "@outrider/outrider/data";
import { encodeChat, type ModelFile } from "@outrider/outrider/io";

/** Flags of what is answered, and how. */
export const answerFlags = {
  count: integer({
    default: 1000,
    minimum: 1,
    maximum: 10_000_000,
    help: "most prompts to answer",
  }),
  temperatures: numbers({
    default: [0, 0.3, 0.7, 1],
    minimum: 0,
    help: "temperatures to answer at, in turn",
  }),
  topP: number({
    default: 0.95,
    minimum: 0,
    maximum: 1,
    help: "keep the most probable tokens of mass X",
  }),
  maxTokens: integer({ default: 128, minimum: 1, help: "most tokens of an answer" }),
  maxPrompt: integer({ default: 256, minimum: 1, help: "longer prompts are left out" }),
};

/** The values of {@link answerFlags} and of what else decides a set. */
export interface AnswerOptions {
  readonly target: string;
  readonly prompts: string;
  readonly temperatures: readonly number[];
  readonly topP: number;
  readonly maxTokens: number;
  readonly maxPrompt: number;
  readonly seed: number;
}

/** A prompt as messages and in tokens. */
export interface TokenPrompt {
  readonly messages: readonly Message[];
  readonly tokens: readonly number[];
}

/**
 * The prompts that are short enough; how many are not is said.
 *
 * @throws OutriderError where all are too long
 */
export function shortPrompts(
  all: readonly (readonly Message[])[],
  { tokenizer, config }: Pick<ModelFile, "tokenizer" | "config">,
  { maxPrompt }: Pick<AnswerOptions, "maxPrompt">,
  { log }: Pick<CommandContext, "log">,
): readonly TokenPrompt[] {
  const most = Math.min(maxPrompt, config.contextLength - 1);
  const short = all.map((messages) => ({ messages, tokens: encodeChat(tokenizer, messages) }))
    .filter(({ tokens }) => tokens.length <= most);
  const leftOut = all.length - short.length;
  if (short.length === 0) {
    throw new OutriderError(
      `prompts of at most ${most} tokens`,
      `${all.length} longer ones`,
      "raise --max-prompt or name other prompts",
    );
  }
  if (leftOut > 0) {
    log(`leaves out ${leftOut} of ${all.length} prompts, longer than ${most} tokens\n`);
  }
  return short;
}

const ENTRIES_PER_SHARD = 1000;

async function textHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).slice(0, 16).toHex();
}

/** What a set says of itself. */
export async function manifestOf(
  { tokenizer, config, chatTemplate }: Pick<ModelFile, "tokenizer" | "config" | "chatTemplate">,
  options: AnswerOptions,
  { dtype, teacherTokens }: Pick<SetManifest, "dtype" | "teacherTokens">,
): Promise<SetManifest> {
  const { target, prompts, temperatures, topP, seed } = options;
  return {
    version: 1,
    target,
    dtype,
    tokenizerHash: tokenizer.hash,
    templateHash: await textHash(chatTemplate ?? ""),
    vocabulary: config.vocabulary,
    prompts,
    maximumPrompt: options.maxPrompt,
    maximumTokens: options.maxTokens,
    temperatures,
    topP,
    seed,
    teacherTokens,
    entriesPerShard: ENTRIES_PER_SHARD,
  };
}
