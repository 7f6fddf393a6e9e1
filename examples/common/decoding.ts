/**
 * What runs ahead, and decoders with it.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
import {
  automaticLength,
  autoregressive,
  type Costs,
  type Decoder,
  type Draft,
  draftCtc,
  draftFirst,
  draftModel,
  draftPromptLookup,
  draftThrough,
  type LanguageModel,
  lengthByGuess,
  limit,
  measureBlockCosts,
  measureCosts,
  rememberPrefixOnDevice,
  type Sampling,
  speculative,
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
  if (draft.kind === "model") return await modelAhead(target, draft, options);
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

/** A draft model ahead, where it is to be behind the text itself. */
async function modelAhead<Cache>(
  target: LoadedModel<Cache>,
  { model: drafter, vocabulary, behind }: LoadedDraftModel,
  options: DecoderOptions,
): Promise<AnyDecoder> {
  const { model } = target;
  const how = { warp: options.warp, verify: verifyOf(options), vocabulary };
  const costs = () => measureCosts(model, drafter, how);
  const draft = draftModel(drafter, { vocabulary });
  if (behind === undefined) return await ahead(target, { model, draft, costs }, options);
  const both = draftFirst(draftPromptLookup({ shortest: REPEATED }), draft);
  return await ahead(target, { model, draft: both, costs, repeats: true }, options);
}

function verifyOf({ verify }: Pick<DecoderOptions, "verify">): Verify {
  return verify === "block" ? verifyBlock : verifyToken;
}

/** A target's model, a drafter for it, and how to find out what they cost. */
interface Speculation<Cache, DraftState> {
  readonly model: LanguageModel<Cache>;
  readonly draft: Draft<DraftState, Cache>;
  readonly costs: () => Promise<Costs>;
  /** Whether the drafter guesses at no cost where the text repeats. */
  readonly repeats?: true;
}

async function ahead<Cache, DraftState>(
  target: Pick<LoadedModel, "file">,
  { model, draft, costs, repeats }: Speculation<Cache, DraftState>,
  options: DecoderOptions,
): Promise<AnyDecoder> {
  const { gamma, warp } = options;
  const parts = { target: model, draft, verify: verifyOf(options), warp };
  if (gamma !== "auto") return ended(speculative({ ...parts, gamma }), target, options);
  const measured = await costs();
  const rule = automaticLength(measured);
  if (repeats !== true) return ended(speculative({ ...parts, gamma: rule }), target, options);
  const free = automaticLength({ ...measured, ...NO_DRAFT_COSTS });
  return ended(speculative({ ...parts, gamma: lengthByGuess(free, rule) }), target, options);
}

/** What the text itself costs as a drafter. */
const NO_DRAFT_COSTS = { draftCost: 0, blockCost: 0, catchUpCost: 0 };

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
