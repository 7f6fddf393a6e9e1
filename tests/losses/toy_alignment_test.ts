/** The ordering that direct alignment rests on, on a draft too small to match its target. */
import { assert } from "@std/assert";
import { evaluateIn, type NumberArray, SINGLE } from "../../src/backends/reference/mod.ts";
import {
  constant,
  foldIn,
  grad,
  input,
  type Key,
  keyOf,
  linear,
  normals,
  type Tensor,
} from "../../src/core/mod.ts";
import { acceptance, type DistillationLoss, kld, tvd, tvdPlusPlus } from "../../src/losses/mod.ts";
import { chain, scale, scaleByAdam } from "../../src/optim/mod.ts";
import { runLoop } from "../optim/stepper.ts";
import { unweightedTvdPlusPlus } from "./unweighted.ts";

const [contexts, vocabulary, rank, steps] = [32, 24, 4, 250];

/** Peaked targets in many contexts, and a draft whose logits have a low rank. */
interface Toy {
  readonly target: Tensor;
  readonly mask: Tensor;
  readonly logits: (weight: Tensor) => Tensor;
  readonly start: NumberArray;
}

function toyOf(key: Key): Toy {
  const features = constant(normals(foldIn(key, 2), contexts * rank), [contexts, rank]);
  const logits = normals(foldIn(key, 1), contexts * vocabulary).map((x) => x * 10);
  return {
    target: constant(logits, [contexts, vocabulary]),
    mask: constant(new Float32Array(contexts).fill(1)),
    logits: (weight) => linear(features, weight),
    start: normals(foldIn(key, 3), vocabulary * rank).map((x) => x * 0.01),
  };
}

function train(toy: Toy, loss: DistillationLoss, start: NumberArray): NumberArray {
  const objective = (weight: Tensor) => loss(toy.logits(weight), toy.target, toy.mask);
  const ran = runLoop(
    {
      transformation: chain(scaleByAdam(), scale(-0.03)),
      parameters: input([vocabulary, rank]),
      gradients: grad(objective),
      precision: SINGLE,
    },
    [start],
    Array.from({ length: steps }, () => []),
  );
  return ran[steps - 1].parameters[0];
}

function alphaOf(toy: Toy, weight: NumberArray): number {
  const variable = input([vocabulary, rank]);
  const alpha = acceptance(toy.logits(variable), toy.target, toy.mask);
  return evaluateIn(SINGLE, [alpha], new Map([[variable, weight]]))[0][0];
}

Deno.test("from a KL start, TVD and TVD++ raise acceptance by half; the unweighted form does not", () => {
  const total = { kld: 0, tvd: 0, tvdPlusPlus: 0 };
  for (const seed of [1, 2, 3]) {
    const toy = toyOf(keyOf(seed));
    const start = train(toy, kld, toy.start);
    const after = (loss: DistillationLoss) => alphaOf(toy, train(toy, loss, start));
    const alpha = { kld: after(kld), tvd: after(tvd), tvdPlusPlus: after(tvdPlusPlus) };
    assert(alpha.tvd > 1.5 * alpha.kld, JSON.stringify(alpha));
    assert(alpha.tvdPlusPlus > 1.5 * alpha.kld, JSON.stringify(alpha));
    assert(after(unweightedTvdPlusPlus) < alpha.kld);
    total.kld += alpha.kld;
    total.tvd += alpha.tvd;
    total.tvdPlusPlus += alpha.tvdPlusPlus;
  }
  assert(total.tvdPlusPlus > total.tvd, JSON.stringify(total));
});
