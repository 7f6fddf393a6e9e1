/**
 * K-SEQ: independent drafts are judged in turn by one rule that is stricter than a single draft's, so
 * that all of them together take no more than the target has.
 *
 * Sun et al. 2023, "SpecTr: fast speculative decoding via optimal transport", algorithm 2.
 *
 * @module
 */
import type { Probs, TokenId } from "../language_model.ts";
import { residual } from "../verify.ts";
import { checkVocabulary, possibleTokens, valuesOf } from "./law.ts";
import type { MultiDraftDecision } from "./rule.ts";
import type { IndependentDrafts } from "./with_replacement.ts";

/** How strict the rule is, and what follows from that. */
interface Strictness {
  /** Drafts are accepted with `min(1, q / (rho p))`. */
  readonly rho: number;
  /** `sum min(p, q / rho)`: the probability that one draft is accepted. */
  readonly one: number;
}

/**
 * K-SEQ of SpecTr: accept a draft with `min(1, q / (rho p))`; where all are rejected, draw from
 * `norm((q - rho p)+)`. The least `rho` in `[1, count]` that is exact solves
 * `1 - (1 - b)^count = rho b` with `b = sum min(p, q / rho)`.
 *
 * @example
 * ```ts
 * import { kSequential, probsOf, withReplacement } from "@outrider/outrider/decode";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * const { accept } = kSequential(probsOf([0.5, 0.5]), law, [0, 1]);
 * assertAlmostEquals(accept[0], 1, 1e-12);
 * ```
 */
export function kSequential(
  target: Probs,
  law: IndependentDrafts,
  tokens: readonly TokenId[],
): MultiDraftDecision {
  const { probs } = law;
  const { rho } = strictness(target, law);
  let rejected = 1;
  const accept = tokens.map((token) => {
    const stands = Math.min(1, target[token] / (rho * probs[token]));
    const accepted = rejected * stands;
    rejected *= 1 - stands;
    return accepted;
  });
  return { accept, residual: residual(target, probs, 1 / rho) };
}

/**
 * The acceptance of {@link kSequential}, `1 - (1 - b)^count`.
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary.
 *
 * @example
 * ```ts
 * import { kSequentialAcceptance, probsOf, withReplacement } from "@outrider/outrider/decode";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 1);
 * assertAlmostEquals(kSequentialAcceptance(probsOf([0.25, 0.75]), law), 0.75, 1e-12);
 * ```
 */
export function kSequentialAcceptance(target: Probs, law: IndependentDrafts): number {
  checkVocabulary(target, law);
  return anyOf(strictness(target, law).one, law.count);
}

/** The least exact strictness: `any(b) - rho b` falls as `rho` grows, so halving finds its root. */
function strictness(target: Probs, { probs, count }: IndependentDrafts): Strictness {
  const drafted = possibleTokens(probs);
  const draft = valuesOf(probs, drafted);
  const wanted = valuesOf(target, drafted);
  const at = (rho: number): Strictness => ({ rho, one: acceptanceOfOne(wanted, draft, rho) });
  const isExact = ({ rho, one }: Strictness) => anyOf(one, count) <= rho * one;
  let [low, high] = [at(1), at(count)];
  if (isExact(low)) return low;
  while (true) {
    const middle = at((low.rho + high.rho) / 2);
    if (middle.rho <= low.rho || middle.rho >= high.rho) return high;
    if (isExact(middle)) high = middle;
    else low = middle;
  }
}

/** `sum min(p, q / rho)` */
function acceptanceOfOne(target: Float64Array, draft: Float64Array, rho: number): number {
  const share = 1 / rho;
  let sum = 0;
  for (let i = 0; i < draft.length; i++) sum += Math.min(draft[i], target[i] * share);
  return Math.min(1, sum);
}

/** `1 - (1 - one)^count`: that any of several independent drafts is accepted. */
function anyOf(one: number, count: number): number {
  return -Math.expm1(count * Math.log1p(-one));
}
