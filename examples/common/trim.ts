/**
 * Which of the target's tokens a draft is to know. Decided once for a folder and kept there, so that
 * a run that goes on after more answers were written still has the same classes.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
import { type Corpus, tokenCounts } from "@outrider/outrider/data";
import { type ModelFile, writeTextAtomically } from "@outrider/outrider/io";
import { type TrimmedVocabulary, trimmedVocabulary, trimVocabulary } from "@outrider/outrider/nn";
import { openSets } from "./sets.ts";

/** How a vocabulary is trimmed. */
export interface TrimOptions {
  /** Tokens to keep; 0 keeps all. */
  readonly keepTokens: number;
  /** The distillation sets to count tokens in. */
  readonly countIn: string | undefined;
  /** The folder of the run. */
  readonly out: string;
}

/** What a token of the pretraining text counts beside one that the target wrote. */
const READ_WEIGHT = 1 / 128;

/** The tokens that the draft is to know, and all others as one; undefined where it knows all. */
export async function trimmedFor(
  target: ModelFile,
  text: Corpus,
  options: TrimOptions,
  context: Pick<CommandContext, "log">,
): Promise<TrimmedVocabulary | undefined> {
  if (options.keepTokens === 0) return undefined;
  const path = `${options.out}/token_ids.json`;
  const kept = await keptIn(path, target.config.vocabulary);
  if (kept === undefined) {
    const vocabulary = await counted(target, text, options, context);
    await writeTextAtomically(path, `${JSON.stringify([...vocabulary.tokenIds])}\n`);
    return vocabulary;
  }
  if (kept.other === options.keepTokens) return kept;
  throw new OutriderError(
    `${options.keepTokens} tokens in ${path}, as --keep-tokens says`,
    `${kept.other}`,
    "run with the options of the first run, or name another folder",
  );
}

/** The tokens that an earlier run decided for, where there was one. */
async function keptIn(path: string, vocabulary: number): Promise<TrimmedVocabulary | undefined> {
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return trimmedVocabulary(JSON.parse(text), vocabulary);
  } catch {
    throw new OutriderError(
      `a list of the target's tokens in ${path}`,
      text.slice(0, 40),
      "name another folder",
    );
  }
}

async function counted(
  { tokenizer, config }: ModelFile,
  text: Corpus,
  { keepTokens, countIn }: TrimOptions,
  { log }: Pick<CommandContext, "log">,
): Promise<TrimmedVocabulary> {
  if (countIn === undefined) {
    throw new OutriderError(
      "sets to count tokens in",
      "none",
      "name what distill wrote by --count-in, or leave out --keep-tokens",
    );
  }
  const sets = await openSets(countIn, tokenizer);
  const counts = tokenCounts(sets.corpus, config.vocabulary);
  sets.close();
  const total = counts.reduce((sum, count) => sum + count, 0);
  const read = Number.isFinite(text.length) ? tokenCounts(text, config.vocabulary) : counts;
  const all = counts.map((count, token) => count + READ_WEIGHT * read[token]);
  const vocabulary = trimVocabulary(all, keepTokens, tokenizer.endOfTurn);
  const kept = vocabulary.tokenIds.reduce((sum, token) => sum + counts[token], 0);
  const share = (100 * kept / total).toFixed(2);
  log(`${sets.note}${keepTokens} tokens are ${share} % of what the target wrote\n`);
  return vocabulary;
}
