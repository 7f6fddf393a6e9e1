/**
 * The likeliest token, and drafted tokens that stand where they are it: temperature 0.
 *
 * @module
 */
import { abs, equal, less, where } from "../../core/elementwise_ops.ts";
import { argmax, sum } from "../../core/linear_ops.ts";
import { sliceAxis } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import { MOST } from "./distribution.ts";
import { inBlocks } from "./draw.ts";
import type { RoundTensors, TokenLaw, VerdictTensors } from "./law.ts";
import { leading, pick } from "./standing.ts";

/** The likeliest token of each row, i32 `[rows]`, the lowest id among equals; -1 for bad rows. */
function likeliest(logits: Tensor): Tensor {
  const sums = sum(sum(inBlocks(logits), [2]), [1]);
  return where(less(abs(sums), MOST), argmax(logits), -1);
}

function judgeLikeliest({ drafted, targetLogits, limit, classes }: RoundTensors): VerdictTensors {
  const wanted = likeliest(targetLogits);
  const gamma = drafted.shape[0];
  const accepted = leading(equal(classes.tokensOf(drafted), sliceAxis(wanted, 0, 0, gamma)), limit);
  return { accepted, next: pick(wanted, accepted) };
}

/** The law of temperature 0; coins are not looked at. */
export const greedyLaw: TokenLaw = {
  choose: (logits) => ({ tokens: likeliest(logits), evidence: [] }),
  judge: judgeLikeliest,
};
