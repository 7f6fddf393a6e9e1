/**
 * A draft that tells what it proposes: a step reports how many tokens fell, not which.
 *
 * @module
 */
import type { Decoder, Draft } from "@outrider/outrider/decode";

/** The same draft, with every proposal shown to `onProposal`. */
export function watchedDraft<State>(
  draft: Draft<State>,
  onProposal: (tokens: readonly number[]) => void,
): Draft<State> {
  return {
    ...draft,
    propose: async (state, request) => {
      const proposal = await draft.propose(state, request);
      onProposal(proposal.tokens);
      return proposal;
    },
  };
}

/** The same decoder on a device, with what each step judged shown to `onProposal`. */
export function watchedSteps<State extends { readonly proposal: readonly number[] }>(
  decoder: Decoder<State>,
  onProposal: (tokens: readonly number[]) => void,
): Decoder<State> {
  return {
    ...decoder,
    step: async (state) => {
      const step = await decoder.step(state);
      onProposal(step.state.proposal);
      return step;
    },
  };
}
