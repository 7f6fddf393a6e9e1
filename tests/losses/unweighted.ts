/** A form of TVD++ that is wrong: a plain mean over the vocabulary instead of one under p. */
import { cast, div, less, mean, mul, neg, softmax, sqrt } from "../../src/core/mod.ts";
import { stopGradient, sub, type Tensor } from "../../src/core/mod.ts";
import { logProbabilities } from "../../src/losses/rows.ts";

/** `-mean over rows and vocabulary of A log p`, A normalised over all of them alike. */
export function unweightedTvdPlusPlus(draft: Tensor, target: Tensor): Tensor {
  const p = softmax(stopGradient(draft));
  const reward = cast(less(p, softmax(stopGradient(target))), "f32");
  const average = mean(reward);
  const deviation = sqrt(mul(average, sub(1, average)));
  const advantage = div(sub(reward, average), deviation);
  return neg(mean(mul(advantage, logProbabilities(draft))));
}
