/** Answers of the chat model that comes with the package, with its distributions and features. */
import {
  type Corpus,
  corpusOf,
  openPrompts,
  responseDocument,
  type TokenDocument,
} from "../../src/data/mod.ts";
import { encodeChat } from "../../src/io/mod.ts";
import type { Device } from "../../src/runtime/mod.ts";
import { distilledEntries, setFeatures } from "../../src/train/mod.ts";
import type { Loaded } from "../models/files.ts";

/** Tokens that the distributions keep. */
export const KEPT = 16;
/** Answers that are not learnt from. */
const HELD_OUT = 24;

/** Answers to a few hundred questions at temperatures 0 and 0.7. */
export async function embeddedAnswers(
  device: Device,
  { file, parameters }: Loaded,
  taps: readonly number[],
): Promise<{ readonly set: Corpus; readonly heldOut: readonly TokenDocument[] }> {
  const conversations = await openPrompts("language", { seed: 1, count: 240 });
  const prompts = conversations.map((turns) => encodeChat(file.tokenizer, turns))
    .filter(({ length }) => length <= 96);
  const target = { config: file.config, parameters };
  const taught = await Array.fromAsync(distilledEntries({
    device,
    target,
    prompts,
    done: 0,
    temperatures: [0, 0.7],
    topP: 0.95,
    maximumTokens: 40,
    stopTokens: file.tokenizer.endOfTurn,
    seed: 1,
    sequences: 32,
    teacherTokens: KEPT,
  }));
  const entries = taught.map(({ entry }) => entry);
  const mostRows = file.config.contextLength;
  const features = await Array.fromAsync(setFeatures(entries, { device, target, taps, mostRows }));
  const width = taps.length * file.config.width;
  const documents = taught.map(({ entry, teacher }, i) => ({
    ...responseDocument(entry.prompt, entry.response),
    teacher: () => teacher,
    features: (from: number, count: number) =>
      Array.from({ length: count }, (_, row) => {
        const at = (from + row) * width;
        return features[i].subarray(at, at + width);
      }),
  }));
  return { set: corpusOf(documents.slice(HELD_OUT)), heldOut: documents.slice(0, HELD_OUT) };
}

/** The prompt of a document whose responses count. */
export function promptOf({ tokens, weights }: TokenDocument): number[] {
  return [...tokens.subarray(0, weights.indexOf(1))];
}
