/**
 * Two drafters as one: the second drafts where the first has nothing to say.
 *
 * @module
 */
import type { Draft } from "./draft.ts";

/** The states of both drafters of a {@link draftFirst}. */
export interface DraftFirstState<First, Second> {
  /** The state of the one that is asked first. */
  readonly first: First;
  /** The state of the one that is asked where the first proposes nothing. */
  readonly second: Second;
}

/**
 * Drafts with the first drafter, and with the second where that proposes nothing: such as the text
 * itself where it repeats, and a draft model elsewhere. Every block is one drafter's and comes with
 * the distributions that it was drawn from, so decoding stays exact.
 *
 * Its guess is the first one's. A drafter that is not asked may lag behind the text, which a draft model makes up for.
 *
 * @example
 * ```ts
 * import { draftFirst, draftModel, draftPromptLookup, functionModel, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const model = draftModel(functionModel({ vocabulary: 3, contextLength: 9, logits }));
 * const draft = draftFirst(draftPromptLookup({ shortest: 2 }), model);
 * const request = { gamma: 2, vocabulary: 3, warp: temperature(0), coin: () => 0 };
 * const fresh = await draft.propose(await draft.init([0]), { ...request, context: [0] });
 * const again = await draft.propose(fresh.state, { ...request, context: [2, 2, 0, 2, 2] });
 * assertEquals([fresh.tokens, again.tokens], [[1, 2], [0, 2]]);
 * draft.close(again.state);
 * ```
 */
export function draftFirst<First, Second, Cache = unknown>(
  first: Draft<First, Cache>,
  second: Draft<Second, Cache>,
): Draft<DraftFirstState<First, Second>, Cache> {
  return {
    init: async (prompt) => {
      const begun = await first.init(prompt);
      return { first: begun, second: await orClose(first, begun, () => second.init(prompt)) };
    },
    propose: async (state, request) => {
      const own = await orClose(
        second,
        state.second,
        () => first.propose(state.first, request),
      );
      if (own.tokens.length > 0) {
        return { ...own, state: { first: own.state, second: state.second } };
      }
      const other = await orClose(
        first,
        own.state,
        () => second.propose(state.second, request),
      );
      return { ...other, state: { first: own.state, second: other.state } };
    },
    guess: (state, context) => first.guess?.(state.first, context),
    commit: (state, length) => ({
      first: first.commit(state.first, length),
      second: second.commit(state.second, length),
    }),
    close: (state) => {
      first.close(state.first);
      second.close(state.second);
    },
  };
}

/** Does `work` of the other drafter, and releases this one's state where that fails. */
async function orClose<State, Result>(
  { close }: Pick<Draft<State>, "close">,
  state: State,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    close(state);
    throw error;
  }
}
