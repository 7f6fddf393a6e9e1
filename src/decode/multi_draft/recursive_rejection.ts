/**
 * Recursive rejection sampling: the drafts are judged in turn, each as if it were the only one, against
 * what the rejections before have left of the target.
 *
 * With drafts without replacement it is what SpecInfer's successors use (Jeon et al. 2024, "Recursive
 * speculative decoding"; Yang et al. 2024, "Multi-candidate speculative decoding").
 *
 * @module
 */
import type { Probs, TokenId } from "../language_model.ts";
import { residual } from "../verify.ts";
import { acceptProbability } from "../verify_token.ts";
import { checkVocabulary, type MultiDraftLaw } from "./law.ts";
import type { MultiDraftDecision } from "./rule.ts";
import type { GreedyDrafts } from "./greedy_drafts.ts";
import type { IndependentDrafts } from "./with_replacement.ts";

/**
 * Recursive rejection sampling for any law: accept a draft with `min(1, r / p)`, else go on with
 * `r <- norm((r - p)+)`, where `r` begins as the target and `p` is the law of that draft after those
 * before it. Exact, and below the optimum for two drafts or more.
 *
 * @example
 * ```ts
 * import { probsOf, recursiveRejection, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * const { accept, residual } = recursiveRejection(probsOf([0.25, 0.75]), law, [0, 0]);
 * assertEquals([accept, [...residual]], [[0.5, 0], [0, 1]]);
 * ```
 */
export function recursiveRejection(
  target: Probs,
  law: MultiDraftLaw,
  tokens: readonly TokenId[],
): MultiDraftDecision {
  let left = target;
  let rejected = 1;
  const accept = tokens.map((token, place) => {
    const drafted = law.after(tokens.slice(0, place));
    const stands = acceptProbability(left, drafted, token);
    const accepted = rejected * stands;
    rejected *= 1 - stands;
    left = residual(left, drafted);
    return accepted;
  });
  return { accept, residual: left };
}

/**
 * The acceptance of {@link recursiveRejection} where what was rejected does not change the law of the
 * next draft, O(count * V): `1 - prod (1 - sum min(r, p))` over the drafts.
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary.
 *
 * @example
 * ```ts
 * import { probsOf, recursiveAcceptance, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * assertEquals(recursiveAcceptance(probsOf([0.25, 0.75]), law), 0.875);
 * ```
 */
export function recursiveAcceptance(
  target: Probs,
  law: IndependentDrafts | GreedyDrafts,
): number {
  checkVocabulary(target, law);
  // Any token stands for independent drafts; of greedy ones all but the last are known.
  const path = law.kind === "greedy" ? law.top : new Array<TokenId>(law.count - 1).fill(0);
  let left = target;
  let rejected = 1;
  for (let place = 0; place < law.count; place++) {
    const drafted = law.after(path.slice(0, place));
    rejected *= 1 - overlap(left, drafted);
    left = residual(left, drafted);
  }
  return 1 - rejected;
}

function overlap(target: Probs, draft: Probs): number {
  let sum = 0;
  for (let token = 0; token < target.length; token++) sum += Math.min(target[token], draft[token]);
  return sum;
}
