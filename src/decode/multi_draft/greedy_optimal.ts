/**
 * The optimal verification of greedy drafts, in closed form.
 *
 * @module
 */
import type { Probs, TokenId } from "../language_model.ts";
import { acceptProbability } from "../verify_token.ts";
import type { GreedyDrafts } from "./greedy_drafts.ts";
import { total } from "./law.ts";
import { distributionOf, type MultiDraftDecision } from "./rule.ts";

/**
 * Accepts the drawn draft with `min(1, q / p)`, `p` its distribution outside the top tokens; else draws
 * from `norm((q - p)+)`, in which the top tokens keep all of `q`: a draw that falls on one of them is
 * a draft that stands. Its acceptance is {@link optimalAcceptance}, `q(top) + sum min(q, p)` over the
 * others (Hu, Zheng et al. 2025).
 *
 * @example
 * ```ts
 * import { greedyDrafts, greedyOptimal, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = greedyDrafts(probsOf([0.5, 0.25, 0.25]), 2);
 * const { accept, residual } = greedyOptimal(probsOf([0.25, 0.125, 0.625]), law, [0, 1]);
 * assertEquals([accept, [...residual]], [[0.5, 0.25], [0, 0, 1]]);
 * ```
 */
export function greedyOptimal(
  target: Probs,
  { top, last }: GreedyDrafts,
  tokens: readonly TokenId[],
): MultiDraftDecision {
  const drawn = acceptProbability(target, last, tokens[top.length]);
  // A loop: a function for each token of a vocabulary would take as long as all else of a step.
  const left = new Float64Array(target.length);
  for (let token = 0; token < left.length; token++) {
    left[token] = Math.max(0, target[token] - last[token]);
  }
  const all = total(left);
  const accept = top.map((token) => all === 0 ? 0 : (1 - drawn) * left[token] / all);
  for (const token of top) left[token] = 0;
  return { accept: [...accept, drawn], residual: distributionOf(left, target) };
}
