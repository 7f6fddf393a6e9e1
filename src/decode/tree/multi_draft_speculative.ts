/**
 * Speculative decoding with sampled trees: several drafts are judged together at every place.
 *
 * @module
 */
import type { Decoder } from "../decoder.ts";
import type { TokenId } from "../language_model.ts";
import type { MultiDraftLaw } from "../multi_draft/law.ts";
import { type MultiDraftRule, verifyDrafts } from "../multi_draft/rule.ts";
import { nextToken } from "../next_token.ts";
import type { Clock } from "../text_state.ts";
import { probabilities, type Warp } from "../warp.ts";
import type { SampledProposal } from "./draft_samples.ts";
import { fixedBudget } from "./tree_budget.ts";
import { treeDecoder, type TreePlace, type TreeState } from "./tree_decoder.ts";
import type { TreeDraft } from "./tree_draft.ts";
import type { TreeLanguageModel } from "./tree_model.ts";

/** The parts of a {@link multiDraftSpeculative} decoder. */
export interface MultiDraftOptions<Cache, DraftState, Law extends MultiDraftLaw> {
  /** The model that decides. */
  readonly target: TreeLanguageModel<Cache>;
  /** What draws trees, such as `draftSamples`. */
  readonly draft: TreeDraft<DraftState, Cache, SampledProposal<DraftState, Law>>;
  /** The rule that judges the drafts of a place, such as `recursiveRejection`; it must be exact. */
  readonly rule: MultiDraftRule<Law>;
  /** What shapes both models' distributions; `temperature(0)` is greedy. */
  readonly warp: Warp;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
}

/**
 * A decoder that emits the target's processed distribution exactly, from trees that were drawn.
 *
 * From the end of the text on, the rule judges the drafts of each place by their law (Hu, Zheng et al.
 * 2025, arXiv 2502.18779, at every node, as SpecInfer does, Miao et al. 2024, arXiv 2305.09781). The
 * token that it gives has the target's distribution there; where the tree has it, the walk goes on
 * behind it, where drafts were drawn whatever is said of them above. So the text has the target's law.
 *
 * Errors are those of `autoregressive`.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import * as decode from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [prefix.length % 2, 1, 0];
 * const target = decode.functionModel({ vocabulary: 3, contextLength: 9, logits });
 * const draft = decode.draftSamples(target, { counts: [2, 2], law: decode.withoutReplacement });
 * const { recursiveRejection: rule, temperature } = decode;
 * const decoder = decode.multiDraftSpeculative({ target, draft, rule, warp: temperature(1) });
 * const { reports } = await decode.generate(decode.limit(decoder, 6), [0], { key: keyOf(1) });
 * // A draft that equals the target stands, level by level.
 * assertEquals(reports.map(({ accepted }) => accepted), [2, 2]);
 * ```
 */
export function multiDraftSpeculative<Cache, DraftState, Law extends MultiDraftLaw>(
  options: MultiDraftOptions<Cache, DraftState, Law>,
): Decoder<TreeState<Cache, DraftState>> {
  return treeDecoder({
    ...options,
    budget: fixedBudget(Infinity),
    // A tree without some of its drafts would not have the law that the rule is told.
    cut: (proposal) => proposal,
    choose: (place) => chooseToken(options, place),
  });
}

/** The token at a place: the rule's verdict on its drafts, a draw from the target without any. */
function chooseToken<Cache, DraftState, Law extends MultiDraftLaw>(
  { warp, rule }: Pick<MultiDraftOptions<Cache, DraftState, Law>, "warp" | "rule">,
  { proposal, node, logits, text, state }: TreePlace<Cache, SampledProposal<DraftState, Law>>,
): TokenId {
  const { coins } = state;
  const drafts = proposal.places[node + 1];
  // Where the warp leaves one token, every exact rule gives this one.
  if (warp.only !== undefined || drafts === undefined) {
    return nextToken(warp, logits, text, () => coins.sample(text.length));
  }
  const round = { ...drafts, target: probabilities(warp, logits, text) };
  const verdict = verifyDrafts(rule, round, {
    accept: coins.accept(state.text.length, text.length),
    sample: coins.sample(text.length),
  });
  return verdict.token;
}
