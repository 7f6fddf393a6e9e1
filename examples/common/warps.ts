/**
 * The flags of every command that writes text, and the warps that they describe.
 *
 * @module
 */
import { choice, integer, integerOr, number, text, texts } from "@outrider/outrider/cli";
import {
  chainWarps,
  minP,
  repetitionPenalty,
  type Sampling,
  temperature,
  topK,
  topP,
  type Warp,
} from "@outrider/outrider/decode";

/** Flags of every command that writes text. */
export const decodingFlags = {
  draft: text({
    placeholder: "DRAFT|auto|lookup|lookup+DRAFT|none",
    default: "none",
    help:
      "what runs ahead: a draft's path, auto for the package's own, lookup for the text itself, or both",
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
export function warpsOf(options: WarpOptions): {
  readonly warp: Warp;
  readonly sampling?: Sampling;
} {
  return { warp: warpOf(options), sampling: samplingOf(options) };
}
