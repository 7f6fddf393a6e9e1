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
import {
  acceptance,
  type DistillationLoss,
  dPace,
  endToEndTvd,
  kld,
  tvd,
  tvdPlusPlus,
} from "../../src/losses/mod.ts";
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

function valueOf(toy: Toy, loss: DistillationLoss, weight: NumberArray): number {
  const variable = input([vocabulary, rank]);
  const value = loss(toy.logits(variable), toy.target, toy.mask);
  return evaluateIn(SINGLE, [value], new Map([[variable, weight]]))[0][0];
}

function alphaOf(toy: Toy, weight: NumberArray): number {
  return valueOf(toy, acceptance, weight);
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

Deno.test("from a KL start, losses of whole drafts make more of a draft of three stand", () => {
  const total = { kld: 0, tvd: 0, endToEndTvd: 0, dPace: 0 };
  for (const seed of [1, 2, 3]) {
    const toy = toyOf(keyOf(seed));
    const start = train(toy, kld, toy.start);
    // The contexts in their order stand for the rows of one text.
    const after = (loss: DistillationLoss) =>
      1 - valueOf(toy, endToEndTvd(3), train(toy, loss, start));
    const stands = {
      kld: after(kld),
      tvd: after(tvd),
      endToEndTvd: after(endToEndTvd(3)),
      dPace: after(dPace(3)),
    };
    assert(stands.endToEndTvd > 2 * stands.kld, JSON.stringify(stands));
    assert(stands.dPace > stands.kld, JSON.stringify(stands));
    total.kld += stands.kld;
    total.tvd += stands.tvd;
    total.endToEndTvd += stands.endToEndTvd;
    total.dPace += stands.dPace;
  }
  assert(total.endToEndTvd > total.tvd, JSON.stringify(total));
  // Weights alone do not make a total variation of a cross-entropy.
  assert(total.tvd > total.dPace, JSON.stringify(total));
});
