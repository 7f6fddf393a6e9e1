/**
 * Speculative decoding with a tree: the target's own token is chosen at every place of it.
 *
 * @module
 */
import type { Decoder } from "../decoder.ts";
import { nextToken } from "../next_token.ts";
import type { Clock } from "../text_state.ts";
import type { Warp } from "../warp.ts";
import { fixedBudget, type TreeBudget } from "./tree_budget.ts";
import { treeDecoder, type TreeState } from "./tree_decoder.ts";
import type { TreeDraft, TreeProposal } from "./tree_draft.ts";
import type { TreeLanguageModel } from "./tree_model.ts";

/** The parts of a {@link treeSpeculative} decoder. */
export interface TreeSpeculativeOptions<Cache, DraftState> {
  /** The model that decides. */
  readonly target: TreeLanguageModel<Cache>;
  /** What drafts trees; its trees must not depend on the coins that sample. */
  readonly draft: TreeDraft<DraftState, Cache>;
  /** What shapes the target's distributions; `temperature(0)` is greedy. */
  readonly warp: Warp;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
}

/**
 * A decoder that gives the text of `autoregressive` under the same warp and key, token for token,
 * several tokens per target pass.
 *
 * One pass gives the target's distribution behind every node. From the end of the text on, the token
 * of each place is chosen as plain decoding would, by the coin of its position; where the tree has it
 * as a child, the walk goes on from there (Ringel & Romano 2026, arXiv 2604.12989). A drafted token
 * so stands with the target's probability of it: greedy, nothing stands more often; at higher
 * temperatures `multiDraftSpeculative` accepts more.
 *
 * `budget` is the most nodes of a tree, 1 or more, or a {@link TreeBudget} rule.
 *
 * Errors are those of `autoregressive`.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import * as decode from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const target = decode.functionModel({ vocabulary: 3, contextLength: 9, logits });
 * // A drafter whose second guess is right.
 * const turned = (prefix: readonly number[]) => logits(prefix).map((x, id) => x + (id === 0 ? 10 : 0));
 * const model = decode.functionModel({ vocabulary: 3, contextLength: 9, logits: turned });
 * const draft = decode.draftBranches(model, { depth: 1 });
 * const decoder = decode.treeSpeculative({ target, draft, warp: decode.temperature(0), budget: 2 });
 * const { tokens, reports } = await decode.generate(decoder, [0], { key: keyOf(1) });
 * assertEquals([tokens, reports.length], [[1, 2, 0, 1, 2, 0, 1, 2, 0], 5]);
 * ```
 */
export function treeSpeculative<Cache, DraftState>(
  options: TreeSpeculativeOptions<Cache, DraftState> & { readonly budget: number },
): Decoder<TreeState<Cache, DraftState>>;
/** The same with a rule for the number of nodes. */
export function treeSpeculative<Cache, DraftState, BudgetState>(
  options: TreeSpeculativeOptions<Cache, DraftState> & {
    readonly budget: TreeBudget<BudgetState>;
  },
): Decoder<TreeState<Cache, DraftState, BudgetState>>;
export function treeSpeculative<Cache, DraftState, BudgetState>(
  options: TreeSpeculativeOptions<Cache, DraftState> & {
    readonly budget: number | TreeBudget<BudgetState>;
  },
):
  | Decoder<TreeState<Cache, DraftState>>
  | Decoder<TreeState<Cache, DraftState, BudgetState>> {
  const { budget } = options;
  return typeof budget === "number"
    ? decoderOf(options, fixedBudget(budget))
    : decoderOf(options, budget);
}

function decoderOf<Cache, DraftState, BudgetState>(
  options: TreeSpeculativeOptions<Cache, DraftState>,
  budget: TreeBudget<BudgetState>,
): Decoder<TreeState<Cache, DraftState, BudgetState>> {
  return treeDecoder({
    ...options,
    budget,
    cut: (proposal: TreeProposal<DraftState>, nodes) => ({
      ...proposal,
      tree: proposal.tree.slice(0, nodes),
    }),
    choose: ({ logits, text, state }) =>
      nextToken(options.warp, logits, text, () => state.coins.sample(text.length)),
  });
}
