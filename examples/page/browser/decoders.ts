/**
 * The two decoders that answer side by side: the target alone, and with a draft running ahead.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import {
  automaticLength,
  autoregressive,
  autoregressiveOnDevice,
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
  measureCostsOnDevice,
  speculative,
  speculativeOnDevice,
  temperature,
  untilToken,
  verifyBlock,
} from "@outrider/outrider/decode";
import type { DraftModel, Target } from "./open_models.ts";
import type { AnswerOptions } from "./protocol.ts";
import { type Run, startRun } from "./run.ts";
import { watchedDraft, watchedSteps } from "./watched_draft.ts";

/** What both decoders of an answer are made of. */
export interface Models {
  readonly target: Target;
  /** The draft model; undefined where the text itself is the draft. */
  readonly draft: DraftModel | undefined;
  /** How answers begin on the device, by what decodes them: its passes are traced once. */
  readonly begins: Map<string, Begin>;
}

/** Begins an answer and shows what is proposed for each step. */
type Begin = (
  options: AnswerOptions,
  prompt: readonly number[],
  onProposal: (tokens: readonly number[]) => void,
) => Promise<Run>;

/** The way to begin with a decoder that is made when it is first needed. */
function beginWith<State extends { readonly proposal: readonly number[] }>(
  { target, begins }: Models,
  key: string,
  make: () => Decoder<State>,
): Begin {
  const known = begins.get(key);
  if (known !== undefined) return known;
  const decoder = make();
  const begin: Begin = (options, prompt, onProposal) => {
    const watched = watchedSteps(decoder, onProposal);
    return startRun(ended(watched, target, options), prompt, keyOf(options.seed));
  };
  begins.set(key, begin);
  return begin;
}

/** What a draft model and its target decode with on a device that has a queue of its own. */
function deviceParts({ target, draft }: Models, { temperature }: AnswerOptions) {
  const { onDevice } = target.sides.speculative;
  if (onDevice === undefined || draft === undefined) return undefined;
  const sampling = { temperature };
  return { target: onDevice, draft: draft.onDevice, sampling, verify: "block" as const };
}

/** Measures what `automaticLength` decides by. */
export function costsOf(models: Models, options: AnswerOptions): Promise<Costs> {
  const parts = deviceParts(models, options);
  if (parts !== undefined) return measureCostsOnDevice(parts);
  const { target, draft } = models;
  return measureCosts(target.sides.speculative.model, draft?.model, {
    warp: temperature(options.temperature),
    vocabulary: draft?.vocabulary,
  });
}

/** Begins an answer by the target alone. */
export function startPlain(
  models: Models,
  options: AnswerOptions,
  prompt: readonly number[],
): Promise<Run> {
  const { target } = models;
  const { model, onDevice } = target.sides.plain;
  if (onDevice === undefined) {
    const decoder = autoregressive({ target: model, warp: temperature(options.temperature) });
    return startRun(ended(decoder, target, options), prompt, keyOf(options.seed));
  }
  const sampling = { temperature: options.temperature };
  const make = () => autoregressiveOnDevice({ target: onDevice, sampling });
  return beginWith(models, `plain at ${options.temperature}`, make)(options, prompt, () => {});
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
  const { length, onProposal } = ahead;
  const startWith = <Length>(gamma: DraftLength<Length>): Promise<Run> => {
    const parts = deviceParts(models, options);
    if (parts === undefined) {
      const start = <State>(decoder: Decoder<State>): Promise<Run> =>
        startRun(ended(decoder, models.target, options), prompt, keyOf(options.seed));
      return withHostDecoder(models, options, { gamma, ahead }, start);
    }
    const key = `draft of ${options.gamma} at ${options.temperature}`;
    // No step is in flight while the other side has its turn: both are timed alone.
    const make = () => speculativeOnDevice({ ...parts, gamma });
    return beginWith(models, key, make)(options, prompt, onProposal);
  };
  return typeof length === "number"
    ? startWith(fixedLength(length))
    : startWith(automaticLength(length));
}

function withHostDecoder<Length>(
  { target, draft }: Models,
  options: AnswerOptions,
  { gamma, ahead }: { readonly gamma: DraftLength<Length>; readonly ahead: Ahead },
  start: <State>(decoder: Decoder<State>) => Promise<Run>,
): Promise<Run> {
  const decoderWith = <State>(drafter: Draft<State>) =>
    speculative({
      target: target.sides.speculative.model,
      draft: watchedDraft(drafter, ahead.onProposal),
      verify: verifyBlock,
      warp: temperature(options.temperature),
      gamma,
    });
  return draft === undefined
    ? start(decoderWith(draftPromptLookup()))
    : start(decoderWith(draftModel(draft.model, { vocabulary: draft.vocabulary })));
}

/** Ends a decoder at the model's own stop tokens and at the limit. */
function ended<State>(
  decoder: Decoder<State>,
  { tokenizer }: Target,
  { maxTokens }: AnswerOptions,
): Decoder<Ending<Ending<State>>> {
  return limit(untilToken(decoder, tokenizer.endOfTurn), maxTokens);
}
