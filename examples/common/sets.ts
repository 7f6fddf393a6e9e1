/**
 * Distillation sets of commands: one or several folders, filtered, for one target.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  type Corpus,
  countsLine,
  type DistillationEntry,
  type DistillationSet,
  joinCorpora,
  openDistillationSet,
  responseFilter,
} from "@outrider/outrider/data";
import type { Tokenizer } from "@outrider/outrider/io";

/** Sets that are learnt from together. */
export interface OpenSets {
  readonly corpus: Corpus;
  /** Response tokens. */
  readonly tokens: number;
  /** Tokens of the teacher's distributions that all of them keep; 0 where some keep none. */
  readonly cachedTokens: number;
  /** What they are, to know them again. */
  readonly data: string;
  /** What was kept and left out of each, for people. */
  readonly note: string;
  readonly close: () => void;
}

/** Leaves out answers that went round in a loop. */
function filterOf({ endOfTurn }: Pick<Tokenizer, "endOfTurn">) {
  const judge = responseFilter();
  return ({ response }: DistillationEntry): string | undefined => {
    const isFinished = endOfTurn.has(response[response.length - 1]);
    return judge({ tokens: isFinished ? response.slice(0, -1) : response, isFinished });
  };
}

function checkTokenizer(
  folder: string,
  { manifest }: DistillationSet,
  { hash }: Pick<Tokenizer, "hash">,
): void {
  if (manifest.tokenizerHash === hash) return;
  throw new OutriderError(
    "a distillation set in the target's tokens",
    `one of ${manifest.target} with another tokenizer in ${folder}`,
    "write a set with this target",
  );
}

/**
 * Opens the sets in some folders.
 *
 * @param names folders separated by commas
 * @throws OutriderError where one is no set, or one of another target
 */
export async function openSets(
  names: string,
  tokenizer: Pick<Tokenizer, "endOfTurn" | "hash">,
): Promise<OpenSets> {
  const folders = names.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const sets: DistillationSet[] = [];
  const close = (): void => sets.forEach((set) => set.close());
  try {
    for (const folder of folders) {
      const set = await openDistillationSet(folder, filterOf(tokenizer));
      sets.push(set);
      checkTokenizer(folder, set, tokenizer);
    }
    return {
      corpus: joinCorpora(sets.map(({ corpus }) => corpus)),
      tokens: sets.reduce((sum, { tokens }) => sum + tokens, 0),
      cachedTokens: Math.min(...sets.map(({ manifest }) => manifest.teacherTokens)),
      data: sets.map(({ manifest, counts, tokens }) =>
        `set of ${manifest.target} to ${manifest.prompts}, seed ${manifest.seed}, ` +
        `${counts.kept} answers of ${tokens} tokens`
      ).join("; "),
      note: sets.map(({ counts, tokens }, i) =>
        `${folders[i]}: ${countsLine(counts)}, ${tokens} tokens\n`
      ).join(""),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
