/**
 * A small language model as drafter.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Draft, DraftRequest, Proposal } from "./draft.ts";
import {
  type LanguageModel,
  type Logits,
  logitsOf,
  type Probs,
  type TokenId,
} from "./language_model.ts";
import { sample } from "./sample.ts";
import { probabilities } from "./warp.ts";

/** How a draft model's output relates to the target's vocabulary. */
export interface DraftModelOptions {
  /**
   * For a draft model whose head covers only some tokens: the target's id of each of its outputs.
   * Every other token gets draft probability 0; decoding stays exact.
   */
  readonly outputIds?: readonly TokenId[];
}

/** The state of a draft model: its cache, which may lag behind the text. */
export interface DraftModelState<Cache> {
  /** The draft model's live cache. */
  readonly cache: Cache;
}

/**
 * Drafts by sampling from a language model, token by token.
 *
 * The cache catches up by itself: whatever tokens of the text it has not seen go in with the next
 * proposal's first pass. Where the draft model's context ends, it proposes less, then nothing.
 * Proposals reject with an {@link OutriderError} where the vocabularies do not fit.
 *
 * @example
 * ```ts
 * import { draftModel, functionModel, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const draft = draftModel(functionModel({ vocabulary: 3, contextLength: 8, logits }));
 * const request = { context: [0], gamma: 3, vocabulary: 3, warp: temperature(0), coin: () => 0 };
 * const { state, tokens } = await draft.propose(await draft.init([0]), request);
 * assertEquals(tokens, [1, 2, 0]);
 * draft.close(state);
 * ```
 */
export function draftModel<Cache>(
  model: LanguageModel<Cache>,
  options: DraftModelOptions = {},
): Draft<DraftModelState<Cache>> {
  const { outputIds } = options;
  const scatter = outputIds ? scatterTo(model.vocabulary, outputIds) : unscattered;
  return {
    init: async (prompt) => {
      const seen = prompt.slice(0, -1);
      const cache = model.open();
      if (seen.length === 0 || seen.length >= model.contextLength) return { cache };
      return await releasing(model, cache, async () => ({
        cache: (await model.forward(cache, seen, 0)).cache,
      }));
    },
    propose: (state, request) =>
      releasing(
        model,
        state.cache,
        (hold) => draftTokens(model, state.cache, request, scatter, hold),
      ),
    commit: (state, length) =>
      model.lengthOf(state.cache) <= length
        ? state
        : { cache: model.truncate(state.cache, length) },
    close: (state) => model.close(state.cache),
  };
}

/** Brings an output row to the target's vocabulary. */
type Scatter = (logits: Logits, vocabulary: number) => Logits;

async function draftTokens<Cache>(
  model: LanguageModel<Cache>,
  first: Cache,
  request: DraftRequest,
  scatter: Scatter,
  hold: (cache: Cache) => void,
): Promise<Proposal<DraftModelState<Cache>>> {
  const { context, vocabulary, warp, coin } = request;
  const room = model.contextLength - context.length + 1;
  const count = Math.min(request.gamma, room);
  let text = context;
  const probs: Probs[] = [];
  let cache = first;
  for (let i = 0; i < count; i++) {
    const missing = text.slice(model.lengthOf(cache));
    const step = await model.forward(cache, missing, 1);
    cache = step.cache;
    hold(cache);
    const row = probabilities(warp, scatter(step.logits[0], vocabulary), text);
    text = [...text, sample(row, coin(text.length))];
    probs.push(row);
  }
  return { state: { cache }, tokens: text.slice(context.length), probs };
}

/** Runs `work` and, if it fails, closes the last cache that it held. */
async function releasing<Cache, T>(
  model: LanguageModel<Cache>,
  first: Cache,
  work: (hold: (cache: Cache) => void) => Promise<T>,
): Promise<T> {
  let held = first;
  try {
    return await work((cache) => held = cache);
  } catch (error) {
    model.close(held);
    throw error;
  }
}

/** The scatter of a full head: nothing moves, but the vocabularies must agree. */
function unscattered(logits: Logits, vocabulary: number): Logits {
  if (logits.length === vocabulary) return logits;
  throw new OutriderError(
    `a draft model with the target's vocabulary of ${vocabulary}`,
    `one of ${logits.length}`,
    "name its tokens with outputIds, or train a draft with the target's tokenizer",
  );
}

/** Spreads the outputs of a reduced head, `[outputIds]`, over the vocabulary, `[vocabulary]`. */
function scatterTo(outputs: number, outputIds: readonly TokenId[]): Scatter {
  const distinct = new Set(outputIds).size;
  const largest = outputIds.reduce((most, id) => Math.max(most, id), -1);
  const valid = outputIds.every((id) => Number.isInteger(id) && id >= 0);
  if (!(valid && outputIds.length === outputs && distinct === outputs)) {
    throw new OutriderError(
      `outputIds to be ${outputs} distinct tokens`,
      `${outputIds.length} ids, ${distinct} of them distinct`,
      "give one target token for each output of the draft model",
    );
  }
  return (logits, vocabulary) => {
    if (largest >= vocabulary) {
      throw new OutriderError(
        `outputIds below ${vocabulary}`,
        `${largest}`,
        "check the draft model",
      );
    }
    const out = new Float32Array(vocabulary).fill(-Infinity);
    for (let i = 0; i < outputs; i++) out[outputIds[i]] = logits[i];
    return logitsOf(out);
  };
}
