/**
 * Decoding flags and what they mean: warps, drafts, decoders.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
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
  type Costs,
  type Decoder,
  type Draft,
  draftCtc,
  draftFirst,
  draftModel,
  draftPromptLookup,
  draftThrough,
  type LanguageModel,
  limit,
  measureBlockCosts,
  measureCosts,
  minP,
  rememberPrefixOnDevice,
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
import {
  loadAnyDraft,
  type LoadedBlockDraft,
  type LoadedCtcDraft,
  type LoadedDraftModel,
} from "./drafts.ts";
import type { LoadedModel } from "./models.ts";
import { treeSidesOf, withTreeDecoder } from "./tree_decoding.ts";

/** Flags of every command that writes text. */
export const decodingFlags = {
  draft: text({
    placeholder: "DRAFT|auto|lookup|lookup+DRAFT|none",
    default: "none",
    help: "what runs ahead: the path of a draft, auto for the one that comes with the package, " +
      "lookup for the text itself; or both",
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
    help: "the verification rule",
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

/** Both: the warp for the host and, where it can do without the text, the one for a device. */
export function warpsOf(options: WarpOptions): Pick<DecoderOptions, "warp" | "sampling"> {
  return { warp: warpOf(options), sampling: samplingOf(options) };
}

/** What runs ahead: nothing, the text itself, a draft model, or a drafter of several places. */
export type LoadedDraft =
  | { readonly kind: "none"; readonly size: 0 }
  | { readonly kind: "lookup"; readonly size: 0 }
  | LoadedDraftModel
  | LoadedBlockDraft
  | LoadedCtcDraft;

const LOOKUP_FIRST = "lookup+";
/** Repeated tokens from which on the text is a better drafter than a model. */
const REPEATED = 2;

/** Loads what `--draft` names. */
export async function loadDraft(
  device: Device,
  name: string,
  dtype: WeightType,
  target: Pick<LoadedModel, "file" | "parameters">,
  context: Pick<CommandContext, "progress">,
): Promise<LoadedDraft> {
  if (name === "none" || name === "lookup") return { kind: name, size: 0 };
  const { behind, model } = namedParts(name);
  const loaded = await loadAnyDraft(device, model, dtype, target, context);
  if (behind === undefined) return loaded;
  if (loaded.kind === "model") return { ...loaded, behind };
  loaded.release();
  const found = `a ${loaded.kind} drafter, ${model}`;
  throw new OutriderError("a draft model behind lookup+", found, `pass --draft ${model} alone`);
}

/** What is asked first, if anything, and the model of a name such as `lookup+MODEL`. */
export function namedParts(name: string): { readonly behind?: "lookup"; readonly model: string } {
  return name.startsWith(LOOKUP_FIRST)
    ? { behind: "lookup", model: name.slice(LOOKUP_FIRST.length) }
    : { model: name };
}

/** A draft that goes on from its last text, where it is a model that runs on its device. */
export function rememberingDraft(draft: LoadedDraft): LoadedDraft {
  return draft.kind === "model" ? { ...draft, parts: rememberPrefixOnDevice(draft.parts) } : draft;
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

/** Whether a decoder runs on the device by itself. */
export function isOnDevice(
  target: Pick<LoadedModel, "parts">,
  draft: LoadedDraft,
  { sampling }: Pick<DecoderOptions, "sampling">,
): boolean {
  const isPossible = draft.kind === "none" || draft.kind === "model" && draft.behind === undefined;
  return isPossible && sampling !== undefined && hasQueue(target.parts);
}

/** The decoder of a target and a draft, ended by the model's own stop tokens and the limit. */
export async function decoderOf<Cache>(
  target: LoadedModel<Cache>,
  draft: LoadedDraft,
  options: DecoderOptions,
): Promise<AnyDecoder> {
  const { gamma, sampling, verify, warp } = options;
  if (sampling !== undefined && isOnDevice(target, draft, options)) {
    const inside = draft.kind === "model" ? draft.parts : undefined;
    const parts = { target: target.parts, draft: inside, gamma, sampling, verify };
    return await withDeviceDecoder(parts, (decoder) => ended(decoder, target, options));
  }
  if (draft.kind === "none" || gamma === 0) {
    return ended(autoregressive({ target: target.model, warp }), target, options);
  }
  return await draftingDecoder(target, draft, options);
}

async function draftingDecoder<Cache>(
  target: LoadedModel<Cache>,
  draft: Exclude<LoadedDraft, { readonly kind: "none" }>,
  options: DecoderOptions,
): Promise<AnyDecoder> {
  const { model } = target;
  const how = { warp: options.warp, verify: verifyOf(options) };
  if (draft.kind === "lookup") {
    const costs = () => measureCosts(model, undefined, how);
    return await ahead(target, { model, draft: draftPromptLookup(), costs }, options);
  }
  if (draft.kind === "model") {
    const { vocabulary } = draft;
    const costs = () => measureCosts(model, draft.model, { ...how, vocabulary });
    const drafter = draftModel(draft.model, { vocabulary });
    if (draft.behind === undefined) {
      return await ahead(target, { model, draft: drafter, costs }, options);
    }
    const text = draftPromptLookup({ shortest: REPEATED });
    return await ahead(target, { model, draft: draftFirst(text, drafter), costs }, options);
  }
  if (draft.kind === "ctc") {
    const { taps, block: depth } = draft.config;
    const how = { nodes: options.gamma, depth, warp: options.warp };
    const sides = treeSidesOf(target, taps, draftCtc(draft.parts));
    return await withTreeDecoder(sides, how, (decoder) => ended(decoder, target, options));
  }
  const { block, taps } = draft.config;
  const tapped = target.tapped(taps);
  const drafter = draftThrough(draft.draft, tapped.cacheOf);
  const costs = () => measureBlockCosts(tapped.model, drafter, { ...how, block });
  return await ahead(target, { model: tapped.model, draft: drafter, costs }, options);
}

function verifyOf({ verify }: Pick<DecoderOptions, "verify">): Verify {
  return verify === "block" ? verifyBlock : verifyToken;
}

/** A target's model, a drafter for it, and how to find out what they cost. */
interface Speculation<Cache, DraftState> {
  readonly model: LanguageModel<Cache>;
  readonly draft: Draft<DraftState, Cache>;
  readonly costs: () => Promise<Costs>;
}

async function ahead<Cache, DraftState>(
  target: Pick<LoadedModel, "file">,
  { model, draft, costs }: Speculation<Cache, DraftState>,
  options: DecoderOptions,
): Promise<AnyDecoder> {
  const { gamma, warp } = options;
  const parts = { target: model, draft, verify: verifyOf(options), warp };
  return gamma === "auto"
    ? ended(speculative({ ...parts, gamma: automaticLength(await costs()) }), target, options)
    : ended(speculative({ ...parts, gamma }), target, options);
}

/** A decoder that ends with the model's own stop tokens, or at the limit. */
export function ended<State>(
  decoder: Decoder<State>,
  target: Pick<LoadedModel, "file">,
  { maxTokens }: Pick<DecoderOptions, "maxTokens">,
): AnyDecoder {
  const stops = [...target.file.tokenizer.endOfTurn];
  const whole = limit(untilToken(decoder, stops), maxTokens);
  return { run: (use) => use(whole) };
}
