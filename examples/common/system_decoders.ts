/**
 * Decoders of systems whose drafts are no plain chains.
 *
 * @module
 */
import {
  balancedLength,
  draftBlockSamples,
  draftBlockTree,
  draftModel,
  draftSamples,
  greedyDrafts,
  greedyOptimal,
  llamaModel,
  measureCosts,
  multiDraftSpeculative,
  pearl,
  pearlLength,
  type Warp,
} from "@outrider/outrider/decode";
import { type AnyDecoder, ended } from "./decoding.ts";
import type { SystemDraft } from "./system_drafts.ts";
import type { SystemParts } from "./system_parts.ts";
import { treeSidesOf, withTreeDecoder } from "./tree_decoding.ts";

/** How tokens are chosen, and how many. */
export interface SystemDecoding {
  readonly warp: Warp;
  readonly maxTokens: number;
}

/** Drafts and verifies at the same time; as many tokens as keep both models busy. */
export async function pearlDecoder(
  { atOnce, target: own }: SystemParts,
  chain: SystemDraft<"model">,
  { warp, maxTokens }: SystemDecoding,
): Promise<AnyDecoder> {
  const { target, draft } = await atOnce(chain);
  const { vocabulary } = draft;
  const first = pearlLength(await measureCosts(target, draft.model, { warp, vocabulary }));
  const gamma = balancedLength({ first, longest: first });
  const drafter = draftModel(draft.model, { vocabulary });
  return ended(pearl({ target, draft: drafter, warp, gamma }), own, { maxTokens });
}

/** Several drafts for each place of each level, judged by the optimal rule of greedy drafts. */
export function multiDraftDecoder(
  { target }: SystemParts,
  { loaded: { parts, vocabulary } }: SystemDraft<"model">,
  counts: readonly number[],
  { warp, maxTokens }: SystemDecoding,
): AnyDecoder {
  const draft = draftSamples(llamaModel(parts), { counts, law: greedyDrafts, vocabulary });
  const decoder = multiDraftSpeculative({ target: target.model, draft, rule: greedyOptimal, warp });
  return ended(decoder, target, { maxTokens });
}

/** The most probable continuations under what a drafter of blocks says of each place. */
export async function blockTreeDecoder(
  { target }: SystemParts,
  { loaded: { parts, config } }: SystemDraft<"block">,
  nodes: number | "auto",
  { warp, maxTokens }: SystemDecoding,
): Promise<AnyDecoder> {
  const sides = treeSidesOf(target, config.taps, draftBlockTree(parts));
  const how = { nodes, depth: config.block, warp };
  return await withTreeDecoder(sides, how, (decoder) => ended(decoder, target, { maxTokens }));
}

/** The same with every last child drawn, and judged by the optimal rule of greedy drafts. */
export function drawnTreeDecoder(
  { target }: SystemParts,
  { loaded: { parts, config } }: SystemDraft<"block">,
  budget: number,
  { warp, maxTokens }: SystemDecoding,
): AnyDecoder {
  const sides = treeSidesOf(target, config.taps, draftBlockSamples({ ...parts, budget }));
  const decoder = multiDraftSpeculative({ ...sides, rule: greedyOptimal, warp });
  return ended(decoder, target, { maxTokens });
}
