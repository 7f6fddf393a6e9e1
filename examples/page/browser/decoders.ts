/**
 * The two decoders that answer side by side: the target alone, and with a draft running ahead.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import {
  automaticLength,
  autoregressive,
  type Costs,
  type Decoder,
  type Draft,
  type DraftLength,
  draftModel,
  draftPromptLookup,
  type Ending,
  fixedLength,
  limit,
  measureCosts,
  speculative,
  temperature,
  untilToken,
  verifyBlock,
} from "@outrider/outrider/decode";
import type { DraftModel, Target } from "./open_models.ts";
import type { AnswerOptions } from "./protocol.ts";
import { type Run, startRun } from "./run.ts";
import { watchedDraft } from "./watched_draft.ts";

/** What both decoders of an answer are made of. */
export interface Models {
  readonly target: Target;
  /** The draft model; undefined where the text itself is the draft. */
  readonly draft: DraftModel | undefined;
}

/** Measures what `automaticLength` decides by. */
export function costsOf(
  { target, draft }: Models,
  { temperature: heat }: AnswerOptions,
): Promise<Costs> {
  return measureCosts(target.sides.speculative, draft?.model, {
    warp: temperature(heat),
    vocabulary: draft?.vocabulary,
  });
}

/** Begins an answer by the target alone. */
export function startPlain(
  { target }: Models,
  options: AnswerOptions,
  prompt: readonly number[],
): Promise<Run> {
  const warp = temperature(options.temperature);
  const decoder = autoregressive({ target: target.sides.plain, warp });
  return startRun(ended(decoder, target, options), prompt, keyOf(options.seed));
}

/** How the draft runs ahead. */
export interface Ahead {
  /** Tokens to draft per step, or what steps cost, to choose by. */
  readonly length: number | Costs;
  /** Is shown what the draft proposes. */
  readonly onProposal: (tokens: readonly number[]) => void;
}

/** Begins an answer with the draft running ahead. */
export function startSpeculative(
  models: Models,
  options: AnswerOptions,
  prompt: readonly number[],
  ahead: Ahead,
): Promise<Run> {
  const { target, draft } = models;
  const start = <State, Length>(draft: Draft<State>, gamma: DraftLength<Length>): Promise<Run> => {
    const decoder = speculative({
      target: target.sides.speculative,
      draft: watchedDraft(draft, ahead.onProposal),
      verify: verifyBlock,
      warp: temperature(options.temperature),
      gamma,
    });
    return startRun(ended(decoder, target, options), prompt, keyOf(options.seed));
  };
  const startWith = <State>(draft: Draft<State>): Promise<Run> =>
    typeof ahead.length === "number"
      ? start(draft, fixedLength(ahead.length))
      : start(draft, automaticLength(ahead.length));
  return draft === undefined
    ? startWith(draftPromptLookup())
    : startWith(draftModel(draft.model, { vocabulary: draft.vocabulary }));
}

/** Ends a decoder at the model's own stop tokens and at the limit. */
function ended<State>(
  decoder: Decoder<State>,
  { tokenizer }: Target,
  { maxTokens }: AnswerOptions,
): Decoder<Ending<Ending<State>>> {
  return limit(untilToken(decoder, tokenizer.endOfTurn), maxTokens);
}
