/**
 * A small language model as drafter.
 *
 * @module
 */

import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { Draft, DraftRequest, Proposal } from "./draft.ts";
import { classesOf, type DraftClasses } from "./draft_classes.ts";
import { draftFromPass } from "./drafted_token.ts";
import type { LanguageModel, Probs, TokenId } from "./language_model.ts";
import { lazyRows } from "./lazy_rows.ts";
import { releasing } from "./releasing.ts";

/** How a draft model's vocabulary relates to the target's. */
export interface DraftModelOptions {
  /**
   * For a draft model of a trimmed vocabulary: which of the target's tokens its classes are. The
   * class of all other tokens is read, but never drafted: they get draft probability 0, and decoding
   * stays exact. The warp then sees logits of classes and a text of classes, so one that means
   * particular tokens by their ids shapes the target alone.
   */
  readonly vocabulary?: TrimmedVocabulary;
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
 * @throws OutriderError where the model does not have the classes of the trimmed vocabulary
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
  { vocabulary }: DraftModelOptions = {},
): Draft<DraftModelState<Cache>> {
  const classes = classesOf(model.vocabulary, vocabulary);
  return {
    init: async (prompt) => {
      const seen = classes.ofText(prompt.slice(0, -1));
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
        (hold) => draftTokens(model, state.cache, request, classes, hold),
      ),
    commit: (state, length) =>
      model.lengthOf(state.cache) <= length
        ? state
        : { cache: model.truncate(state.cache, length) },
    close: (state) => model.close(state.cache),
  };
}

async function draftTokens<Cache>(
  model: LanguageModel<Cache>,
  first: Cache,
  request: DraftRequest,
  classes: DraftClasses,
  hold: (cache: Cache) => void,
): Promise<Proposal<DraftModelState<Cache>>> {
  const { context, gamma } = request;
  classes.check(request.vocabulary);
  let text = classes.ofText(context);
  const count = Math.min(gamma, model.contextLength - context.length + 1);
  const tokens: TokenId[] = [];
  const rows: (() => Probs)[] = [];
  let cache = first;
  for (let i = 0; i < count; i++) {
    const step = await model.forward(cache, text.slice(model.lengthOf(cache)), 1);
    cache = step.cache;
    hold(cache);
    const drafted = draftFromPass(request, step, text, classes);
    text = [...text, drafted.drawn];
    tokens.push(classes.tokenOf(drafted.drawn));
    rows.push(drafted.probs);
  }
  const probs = lazyRows(rows.length, (place) => rows[place]());
  return { state: { cache }, tokens, probs };
}
