/**
 * Decoding flags and what they mean: warps, drafts, decoders.
 *
 * @module
 */
import {
  choice,
  type CommandContext,
  integer,
  integerOr,
  number,
  text,
  texts,
} from "@outrider/outrider/cli";
import {
  automaticLength,
  autoregressive,
  chainWarps,
  type Decoder,
  type Draft,
  type DraftLength,
  draftModel,
  draftPromptLookup,
  fixedLength,
  limit,
  measureCosts,
  minP,
  repetitionPenalty,
  type Sampling,
  speculative,
  temperature,
  topK,
  topP,
  untilToken,
  type Verify,
  verifyBlock,
  verifyToken,
  type Warp,
} from "@outrider/outrider/decode";
import type { WeightType } from "@outrider/outrider/io";
import type { Device } from "@outrider/outrider/runtime";
import { hasQueue, withDeviceDecoder } from "./device_decoding.ts";
import { loadDraftModel, type LoadedDraftModel } from "./drafts.ts";
import type { LoadedModel } from "./models.ts";

/** Flags of every command that writes text. */
export const decodingFlags = {
  draft: text({
    placeholder: "DRAFT|auto|lookup|none",
    default: "none",
    help: "what runs ahead: a draft's path, auto for the draft that comes with the package, " +
      "lookup for prompt lookup",
  }),
  gamma: integerOr({
    word: "auto",
    default: "auto",
    minimum: 0,
    maximum: 64,
    help: "tokens to draft per step; auto drafts as many as pay, or none",
  }),
  verify: choice({
    of: ["block", "token"],
    default: "block",
    help: "the verification rule; on webgpu it is token",
  }),
  maxTokens: integer({ default: 256, minimum: 1, help: "most tokens to write" }),
  temperature: number({ default: 0, minimum: 0, help: "randomness; 0 is greedy" }),
  topK: integer({ default: 0, minimum: 0, help: "keep the K most probable tokens; 0 keeps all" }),
  topP: number({
    default: 1,
    minimum: 0,
    maximum: 1,
    help: "keep the most probable tokens of mass X",
  }),
  minP: number({
    default: 0,
    minimum: 0,
    maximum: 1,
    help: "drop what is below X times the most probable",
  }),
  repetitionPenalty: number({
    default: 1,
    minimum: 0,
    help: "divides the logits of what was said; 1 does not",
  }),
  stop: texts({ help: "a text that ends the answer" }),
  seed: integer({ default: 1, help: "the same seed gives the same text" }),
};

/** What shapes both models' distributions. */
export interface WarpOptions {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
}

/** The warp that the flags describe. */
export function warpOf(options: WarpOptions): Warp {
  const warps = [
    ...(options.repetitionPenalty === 1 ? [] : [repetitionPenalty(options.repetitionPenalty)]),
    temperature(options.temperature),
    ...(options.topK === 0 ? [] : [topK(options.topK)]),
    ...(options.topP === 1 ? [] : [topP(options.topP)]),
    ...(options.minP === 0 ? [] : [minP(options.minP)]),
  ];
  return warps.length === 1 ? warps[0] : chainWarps(...warps);
}

/** The same for decoding on a device; undefined where it needs the text, as a penalty does. */
export function samplingOf(options: WarpOptions): Sampling | undefined {
  const { temperature, topK, topP, minP } = options;
  return options.repetitionPenalty === 1 ? { temperature, topK, topP, minP } : undefined;
}

/** A draft and, where it is a model, what has to be released. */
export interface LoadedDraft {
  /** `none`, `lookup`, `auto`, or the draft's name. */
  readonly name: string;
  readonly model: LoadedDraftModel | undefined;
}

/** Loads what `--draft` names. */
export async function loadDraft(
  device: Device,
  name: string,
  dtype: WeightType,
  target: Pick<LoadedModel, "file">,
  context: Pick<CommandContext, "progress">,
): Promise<LoadedDraft> {
  if (name === "none" || name === "lookup") return { name, model: undefined };
  return { name, model: await loadDraftModel(device, name, dtype, target.file, context) };
}

/** A decoder whose state's type is of no interest any more. */
export interface AnyDecoder {
  run<Result>(use: <State>(decoder: Decoder<State>) => Result): Result;
}

/** What {@link decoderOf} takes besides the models. */
export interface DecoderOptions {
  readonly warp: Warp;
  /** The warp for a device, where one that has a queue of its own is to decode by itself. */
  readonly sampling?: Sampling;
  readonly gamma: number | "auto";
  readonly verify: "block" | "token";
  readonly maxTokens: number;
}

/** The decoder of a target and a draft, ended by the model's own stop tokens and the limit. */
export async function decoderOf<Cache>(
  target: LoadedModel<Cache>,
  draft: LoadedDraft,
  options: DecoderOptions,
): Promise<AnyDecoder> {
  const { gamma, sampling } = options;
  if (sampling !== undefined && hasQueue(target.parts) && draft.name !== "lookup") {
    const parts = { target: target.parts, draft: draft.model?.parts, gamma, sampling };
    return withDeviceDecoder(parts, (decoder) => ended(decoder, target, options));
  }
  if (draft.name === "none" || gamma === 0) {
    return ended(autoregressive({ target: target.model, warp: options.warp }), target, options);
  }
  if (gamma !== "auto") return withRule(target, draft, fixedLength(gamma), options);
  const costs = await measureCosts(target.model, draft.model?.model, {
    warp: options.warp,
    verify: verifyOf(options),
    vocabulary: draft.model?.vocabulary,
  });
  return withRule(target, draft, automaticLength(costs), options);
}

function verifyOf({ verify }: Pick<DecoderOptions, "verify">): Verify {
  return verify === "block" ? verifyBlock : verifyToken;
}

function withRule<Cache, Length>(
  target: LoadedModel<Cache>,
  { model }: LoadedDraft,
  gamma: DraftLength<Length>,
  options: DecoderOptions,
): AnyDecoder {
  const verify = verifyOf(options);
  const speculate = <State>(draft: Draft<State>): AnyDecoder => {
    const decoder = speculative({ target: target.model, draft, verify, warp: options.warp, gamma });
    return ended(decoder, target, options);
  };
  if (model === undefined) return speculate(draftPromptLookup());
  return speculate(draftModel(model.model, { vocabulary: model.vocabulary }));
}

function ended<State>(
  decoder: Decoder<State>,
  target: Pick<LoadedModel, "file">,
  { maxTokens }: DecoderOptions,
): AnyDecoder {
  const stops = [...target.file.tokenizer.endOfTurn];
  const whole = limit(untilToken(decoder, stops), maxTokens);
  return { run: (use) => use(whole) };
}
