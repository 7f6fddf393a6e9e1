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
  type FeatureLayout,
  joinCorpora,
  openDistillationSet,
  readFeatureLayout,
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

/** The folders in a list of them, separated by commas. */
export function foldersOf(names: string): string[] {
  return names.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/**
 * Opens the sets in some folders.
 *
 * @param names folders separated by commas
 * @param layouts of folders whose features are to be read, too
 * @throws OutriderError where one is no set, or one of another target
 */
export async function openSets(
  names: string,
  tokenizer: Pick<Tokenizer, "endOfTurn" | "hash">,
  layouts: ReadonlyMap<string, FeatureLayout> = new Map(),
): Promise<OpenSets> {
  const folders = foldersOf(names);
  const sets: DistillationSet[] = [];
  const close = (): void => sets.forEach((set) => set.close());
  try {
    for (const folder of folders) {
      const set = await openDistillationSet(folder, filterOf(tokenizer), layouts.get(folder));
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

/** Sets with the target's features beside. */
export interface OpenFeatureSets extends OpenSets {
  /** Whose features they are; the same in all of them. */
  readonly layout: FeatureLayout;
}

/** What of a layout makes features comparable. */
function kindOf({ target, dtype, taps, width }: FeatureLayout): string {
  return `features of ${target} in ${dtype} at ${taps.join(", ")}, ${width} wide`;
}

/**
 * Opens the sets in some folders with the features beside them.
 *
 * @throws OutriderError where one has no features, or others than the first
 */
export async function openFeatureSets(
  names: string,
  tokenizer: Pick<Tokenizer, "endOfTurn" | "hash">,
): Promise<OpenFeatureSets> {
  const layouts = new Map<string, FeatureLayout>();
  let layout: FeatureLayout | undefined;
  for (const folder of foldersOf(names)) {
    const found = await readFeatureLayout(folder);
    layout ??= found;
    layouts.set(folder, found);
    if (kindOf(found) === kindOf(layout)) continue;
    throw new OutriderError(
      kindOf(layout),
      `${kindOf(found)} in ${folder}`,
      "write the features of all sets with the same options",
    );
  }
  if (layout === undefined) {
    throw new OutriderError("the folders of sets", JSON.stringify(names), "name one or more");
  }
  const sets = await openSets(names, tokenizer, layouts);
  return { ...sets, layout, data: `${sets.data}; ${kindOf(layout)}` };
}
