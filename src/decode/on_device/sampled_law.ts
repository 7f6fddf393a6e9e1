/**
 * Sampling from distributions, and speculative sampling: a drafted token stands with probability
 * `min(1, target / draft)`; at the first that does not, the next token comes from the residual, and
 * after the last one that does, from the target (Leviathan et al. 2023, algorithm 1).
 *
 * @module
 */
import { and, div, exp, less, maximum, minimum } from "../../core/elementwise_ops.ts";
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

/** The two laws of a verdict before chance: what coins are held against. */
export interface RoundLaws {
  /** f32 `[gamma]`: the ratio of target to draft at each drafted token; above it, a coin rejects. */
  readonly ratios: Tensor;
  /** Weights of the token after `accepted`, i32 `[1]`, tokens: f32 `[1, vocabulary]`. */
  next(accepted: Tensor): { readonly weights: Tensor; readonly isSound: Tensor };
}

/** The laws of a block. */
export function roundLaws(round: RoundTensors, sampling: SamplingNumbers<Tensor>): RoundLaws {
  const { drafted, limit, classes } = round;
  const gamma = drafted.shape[0];
  const target = distributionsOf(round.targetLogits, sampling);
  const draft = draftOf(round);
  const judged = {
    below: sliceAxis(target.below, 0, 0, gamma),
    totals: sliceAxis(target.totals, 0, 0, gamma),
  };
  const ratios = div(
    probabilityAt(judged, classes.tokensOf(drafted)),
    probabilityAt(draft, drafted),
  );
  return {
    ratios,
    next: (accepted) => {
      const wanted = rowsAt(target, accepted);
      const refused = rowsAt(draft, minimum(accepted, gamma - 1));
      // After the last token that was to be judged nothing was refused.
      const isRefused = reshape(less(accepted, limit), [1, 1]);
      const refusedProbs = where(isRefused, probabilitiesOf(refused), 0);
      return {
        weights: residualOf(probabilitiesOf(wanted), classes.spread(refusedProbs)),
        isSound: and(areSound(wanted), or(not(isRefused), areSound(refused))),
      };
    },
  };
}

/** The probability of one token of each row, f32 `[rows]`. */
function probabilityAt({ below, totals }: Distributions, tokens: Tensor): Tensor {
  return div(exp(elementAt(below, tokens)), reshape(totals, tokens.shape));
}

/** `(target - draft)+`, or the target where nothing is left over: f32 `[1, vocabulary]`. */
function residualOf(target: Tensor, draft: Tensor): Tensor {
  const rest = maximum(sub(target, draft), 0);
  return where(less(0, totals(rest)), rest, target);
}

function judgeByCoins(
  round: RoundTensors,
  coins: RoundCoinTensors,
  sampling: SamplingNumbers<Tensor>,
): VerdictTensors {
  const { ratios, next } = roundLaws(round, sampling);
  const accepted = leading(less(coins.accept, ratios), round.limit);
  const { weights, isSound } = next(accepted);
  const { high, low } = coins.sample;
  const drawn = drawTokens(weights, { high: pick(high, accepted), low: pick(low, accepted) });
  return { accepted, next: where(reshape(isSound, [1]), drawn, -1) };
}

/** The law of a temperature above 0 and what a sampling keeps. */
export const sampledLaw: TokenLaw = { choose: chooseByCoin, judge: judgeByCoins };
