/** What drafters learn from the chat model that comes with the package, and whether that pays. */
import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  type Corpus,
  corpusOf,
  openPrompts,
  responseDocument,
  tokenCounts,
  type TokenDocument,
} from "../../src/data/mod.ts";
import {
  autoregressive,
  type Decoder,
  generate,
  type LanguageModel,
  limit,
  temperature,
} from "../../src/decode/mod.ts";
import { encodeChat } from "../../src/io/mod.ts";
import { tinyBlockDrafter, trimVocabulary } from "../../src/nn/mod.ts";
import { type Device, uploadTree } from "../../src/runtime/mod.ts";
import {
  distilledEntries,
  type FeatureStageOptions,
  readSharedWeights,
  setFeatures,
} from "../../src/train/mod.ts";
import type { Loaded } from "../models/files.ts";

/** Tokens that the distributions keep. */
export const KEPT = 16;
/** Answers that are not learnt from. */
const HELD_OUT = 24;

/** Answers to a few hundred questions at temperatures 0 and 0.7. */
async function embeddedAnswers(
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

/** A brief training, but for what is trained. */
export interface EmbeddedRun {
  readonly stage: Omit<FeatureStageOptions, "parameters" | "onBest">;
  /** The gains of the target's last norm. */
  readonly finalNorm: Float32Array;
  /** Documents that are scored, not learnt from. */
  readonly heldOut: readonly TokenDocument[];
}

/** All that a brief training of a drafter on features at some taps needs. */
export async function embeddedRun(
  device: Device,
  loaded: Loaded,
  taps: readonly number[],
): Promise<EmbeddedRun> {
  const { file } = loaded;
  const { width, vocabulary: tokens, headWidth, contextLength } = file.config;
  const { set, heldOut } = await embeddedAnswers(device, loaded, taps);
  const vocabulary = trimVocabulary(tokenCounts(set, tokens), 300, file.tokenizer.endOfTurn);
  const config = tinyBlockDrafter({
    ...{ width, taps, headWidth, contextLength, heads: 4, keyValueHeads: 2 },
    ...{ contextWidth: 64, feedForwardWidth: 192, block: 4 },
  });
  const { shared, finalNorm } = await readSharedWeights(file, vocabulary);
  const stage = {
    ...{ device, config, vocabulary, set, shared: uploadTree(device, shared) },
    ...{ steps: 150, schedule: "constant" as const, rowsPerBatch: 512, anchors: 64 },
    ...{ rate: 0.008, seed: 1, validation: { corpus: corpusOf(heldOut), every: 30, batches: 1 } },
  };
  return { stage, finalNorm, heldOut };
}

/**
 * Asserts that greedy text with a decoder is plain text, in fewer passes than tokens by a fifth; gives
 * the tokens of a pass.
 */
export async function assertPays<Cache, State>(
  target: LanguageModel<Cache>,
  decoder: Decoder<State>,
  heldOut: readonly TokenDocument[],
): Promise<number> {
  const warp = temperature(0);
  const key = keyOf(1);
  let [passes, written] = [0, 0];
  for (const { tokens, weights } of heldOut.slice(0, 4)) {
    const prompt = [...tokens.subarray(0, weights.indexOf(1))];
    const plain = await generate(limit(autoregressive({ target, warp }), 32), prompt, { key });
    const drafted = await generate(limit(decoder, 32), prompt, { key });
    assertEquals(drafted.tokens, plain.tokens);
    [passes, written] = [passes + drafted.reports.length, written + drafted.tokens.length];
  }
  assert(written > 1.2 * passes, `${written} tokens in ${passes} passes`);
  return written / passes;
}
