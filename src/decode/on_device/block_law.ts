/**
 * Block verification on a device: drafted tokens are judged together, which lets at least as many of
 * them stand on average as judging one by one does (Sun et al. 2024, "Block verification accelerates
 * speculative decoding", algorithm 2).
 *
 * @module
 */
import { add, and, cast, div, equal, full, less } from "../../core/elementwise_ops.ts";
import { maximum, mul, not, sub, where } from "../../core/elementwise_ops.ts";
import { argmax } from "../../core/linear_ops.ts";
import { concat, iota, reshape, sliceAxis } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import { probabilitiesOf } from "./distribution.ts";
import { totals } from "./draw.ts";
import type { RoundCoinTensors, RoundTensors, TokenLaw, VerdictTensors } from "./law.ts";
import {
  type BlockDistributions,
  blockDistributions,
  drawnAfter,
  nextAfter,
  type NextTensors,
  sampledLaw,
} from "./sampled_law.ts";
import type { SamplingNumbers } from "./sampling.ts";
import { pick } from "./standing.ts";

/** The laws of a block before chance. */
export interface BlockLaws {
  /** f32 `[gamma]`: with what probability the first 1, 2, ... tokens stand if no more of them do. */
  readonly accepts: Tensor;
  /** The law of the token after `accepted`, i32 `[1]`, tokens. */
  next(accepted: Tensor): NextTensors;
}

/**
 * The weights of a block's prefixes, f32 `[gamma + 1]`: 1, and `min(1, weight * ratio)` from each to
 * the next. What is not a number stays so, and nothing stands on it.
 */
function prefixWeights(ratios: Tensor): Tensor {
  const weights = [full([1], 1)];
  for (let i = 0; i < ratios.shape[0]; i++) {
    const product = mul(weights[i], sliceAxis(ratios, 0, i, 1));
    weights.push(where(less(1, product), 1, product));
  }
  return concat(weights, 0);
}

/** Mass that drafts leave over from the weighted target behind 1 to gamma - 1 tokens; 0 behind all. */
function massesLeft(
  { classes }: RoundTensors,
  { target, draft }: BlockDistributions,
  weights: Tensor,
): Tensor {
  const inner = draft.below.shape[0] - 1;
  if (inner === 0) return full([1], 0);
  const behind = (x: Tensor): Tensor => sliceAxis(x, 0, 1, inner);
  const rowsOf = ({ below, totals }: typeof target) =>
    probabilitiesOf({ below: behind(below), totals: behind(totals) });
  const weighted = mul(rowsOf(target), reshape(behind(weights), [inner, 1]));
  const left = totals(maximum(sub(weighted, classes.spread(rowsOf(draft))), 0));
  return concat([reshape(left, [inner]), full([1], 0)], 0);
}

/** The laws of a block. */
export function blockLaws(round: RoundTensors, sampling: SamplingNumbers<Tensor>): BlockLaws {
  const block = blockDistributions(round, sampling);
  const gamma = round.drafted.shape[0];
  const weights = prefixWeights(block.ratios);
  const own = sliceAxis(weights, 0, 1, gamma);
  const left = massesLeft(round, block, weights);
  const missing = sub(1, own);
  // A full weight stands, even where nothing is left over: then a longer prefix stands as well.
  const inside = where(equal(missing, 0), 1, div(left, add(left, missing)));
  const isWhole = equal(lengths(gamma), round.limit);
  return {
    accepts: where(isWhole, own, inside),
    next: (accepted) => nextAfter(round, block, accepted, reshape(pick(weights, accepted), [1, 1])),
  };
}

/** 1 to gamma, i32 `[gamma]`. */
function lengths(gamma: number): Tensor {
  return add(iota([gamma], 0), 1);
}

/** The longest prefix of at most `limit` tokens that stands, i32 `[1]`. */
function longest(stands: Tensor, limit: Tensor): Tensor {
  const own = lengths(stands.shape[0]);
  const isStanding = and(stands, not(less(limit, own)));
  return reshape(argmax(concat([full([1], 0), where(isStanding, cast(own, "f32"), 0)], 0)), [1]);
}

function judgeTogether(
  round: RoundTensors,
  coins: RoundCoinTensors,
  sampling: SamplingNumbers<Tensor>,
): VerdictTensors {
  const { accepts, next } = blockLaws(round, sampling);
  const accepted = longest(less(coins.accept, accepts), round.limit);
  return drawnAfter(accepted, next(accepted), coins);
}

/** The law of a temperature above 0 where the tokens of a block are judged together. */
export const blockLaw: TokenLaw = { choose: sampledLaw.choose, judge: judgeTogether };
