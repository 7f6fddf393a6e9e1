/**
 * What all decoders with a drafter share: a step takes the state, and whatever happens in it, the
 * caches of target and drafter are either in the next state or released.
 *
 * @module
 */
import type { Key } from "../core/random.ts";
import type { Decoder, Step } from "./decoder.ts";
import type { LanguageModel, TokenId } from "./language_model.ts";
import { takeState, type TextState } from "./text_state.ts";

/** The handles that a step holds at any moment, for whoever must release them if it fails. */
export interface Held<Cache, DraftState> {
  /** The target's cache. */
  cache: Cache;
  /** The drafter's state. */
  draft: DraftState;
}

/** The two sides of a decoder. */
export interface Sides<Cache, DraftState> {
  readonly target: LanguageModel<Cache>;
  readonly draft: { close(state: DraftState): void };
}

/** What a decoder does between taking a state and giving the next. */
export interface DraftedSteps<Cache, DraftState, State> {
  /** Reads a prompt; releases what it opened where it fails. */
  init(prompt: readonly TokenId[], key: Key): Promise<State>;
  /** One step; `held` is told of every handle that succeeds another. */
  step(state: State, held: Held<Cache, DraftState>): Promise<Step<State>>;
}

/** A decoder of steps that hold a target's cache and a drafter's state. */
export function draftedDecoder<
  Cache,
  DraftState,
  State extends TextState<Cache> & { readonly draft: DraftState },
>(
  { target, draft }: Sides<Cache, DraftState>,
  { init, step }: DraftedSteps<Cache, DraftState, State>,
): Decoder<State> {
  const release = (held: Held<Cache, DraftState>): void => {
    target.close(held.cache);
    draft.close(held.draft);
  };
  return {
    init,
    step: async (state) => {
      takeState(target, state);
      const held = { cache: state.cache, draft: state.draft };
      try {
        return await step(state, held);
      } catch (error) {
        release(held);
        throw error;
      }
    },
    close: (state) => {
      if (state.mark.takenBy !== undefined) return;
      state.mark.take("close");
      release(state);
    },
  };
}
