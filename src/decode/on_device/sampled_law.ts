/**
 * Sampling from distributions, and speculative sampling: a drafted token stands with probability
 * `min(1, target / draft)`; at the first that does not, the next token comes from the residual, and
 * after the last one that does, from the target (Leviathan et al. 2023, algorithm 1).
 *
 * @module
 */
import { and, div, exp, less, maximum, minimum, mul } from "../../core/elementwise_ops.ts";
import { not, or, sub, where } from "../../core/elementwise_ops.ts";
import { concat, reshape, sliceAxis } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  areSound,
  type Distributions,
  distributionsOf,
  probabilitiesOf,
  rowsAt,
} from "./distribution.ts";
import { type CoinParts, drawTokens, elementAt, totals } from "./draw.ts";
import type { Chosen, RoundCoinTensors, RoundTensors, TokenLaw, VerdictTensors } from "./law.ts";
import type { SamplingNumbers } from "./sampling.ts";
import { leading, pick } from "./standing.ts";

function chooseByCoin(
  logits: Tensor,
  coins: CoinParts<Tensor>,
  sampling: SamplingNumbers<Tensor>,
): Chosen {
  const distributions = distributionsOf(logits, sampling);
  const { below, totals } = distributions;
  const drawn = drawTokens(exp(below), coins);
  const tokens = where(reshape(areSound(distributions), drawn.shape), drawn, -1);
  return { tokens, evidence: [below, totals] };
}

/** The distributions that drafted tokens were drawn from. */
function draftOf({ evidence }: RoundTensors): Distributions {
  const part = (i: number): Tensor => concat(evidence.map((arrays) => arrays[i]), 0);
  return { below: part(0), totals: part(1) };
}

/** Both models' distributions of a block. */
export interface BlockDistributions {
  /** `[gamma + 1, vocabulary]`: the target's. */
  readonly target: Distributions;
  /** `[gamma, classes]`: those that the tokens were drawn from. */
  readonly draft: Distributions;
  /** f32 `[gamma]`: the ratio of target to draft at each drafted token. */
  readonly ratios: Tensor;
}

/** The distributions of a block. */
export function blockDistributions(
  round: RoundTensors,
  sampling: SamplingNumbers<Tensor>,
): BlockDistributions {
  const { drafted, classes, targetLogits } = round;
  const gamma = drafted.shape[0];
  const target = distributionsOf(targetLogits, sampling);
  const draft = draftOf(round);
  const judged = {
    below: sliceAxis(target.below, 0, 0, gamma),
    totals: sliceAxis(target.totals, 0, 0, gamma),
  };
  const ratios = div(
    probabilityAt(judged, classes.tokensOf(drafted)),
    probabilityAt(draft, drafted),
  );
  return { target, draft, ratios };
}

/** A law of the next token. */
export interface NextTensors {
  /** Weights of the tokens, f32 `[1, vocabulary]`; they need not sum to 1. */
  readonly weights: Tensor;
  /** bool `[1, 1]`: whether they come from logits that are numbers. */
  readonly isSound: Tensor;
}

/**
 * The law of the token after `accepted`, i32 `[1]`, tokens: what the draft leaves over from the
 * target, this being weighted with `share`, f32 `[1, 1]`, or the target's own after the last token
 * that was to be judged.
 */
export function nextAfter(
  { drafted, limit, classes }: Pick<RoundTensors, "drafted" | "limit" | "classes">,
  { target, draft }: BlockDistributions,
  accepted: Tensor,
  share: Tensor | number,
): NextTensors {
  const wanted = rowsAt(target, accepted);
  const refused = rowsAt(draft, minimum(accepted, drafted.shape[0] - 1));
  // After the last token that was to be judged nothing was refused.
  const isRefused = reshape(less(accepted, limit), [1, 1]);
  const refusedProbs = where(isRefused, probabilitiesOf(refused), 0);
  const wantedProbs = probabilitiesOf(wanted);
  const left = maximum(sub(mul(wantedProbs, share), classes.spread(refusedProbs)), 0);
  return {
    // Where nothing is left over, a refusal has probability 0 up to rounding.
    weights: where(and(isRefused, less(0, totals(left))), left, wantedProbs),
    isSound: and(areSound(wanted), or(not(isRefused), areSound(refused))),
  };
}

/** Draws the token after those that stand. */
export function drawnAfter(
  accepted: Tensor,
  { weights, isSound }: NextTensors,
  { sample: { high, low } }: RoundCoinTensors,
): VerdictTensors {
  const drawn = drawTokens(weights, { high: pick(high, accepted), low: pick(low, accepted) });
  return { accepted, next: where(reshape(isSound, [1]), drawn, -1) };
}

/** The probability of one token of each row, f32 `[rows]`. */
function probabilityAt({ below, totals }: Distributions, tokens: Tensor): Tensor {
  return div(exp(elementAt(below, tokens)), reshape(totals, tokens.shape));
}

function judgeByCoins(
  round: RoundTensors,
  coins: RoundCoinTensors,
  sampling: SamplingNumbers<Tensor>,
): VerdictTensors {
  const block = blockDistributions(round, sampling);
  const accepted = leading(less(coins.accept, block.ratios), round.limit);
  return drawnAfter(accepted, nextAfter(round, block, accepted, 1), coins);
}

/** The law of a temperature above 0 and what a sampling keeps. */
export const sampledLaw: TokenLaw = { choose: chooseByCoin, judge: judgeByCoins };
