/** Problems of the CTC loss, and what an enumeration of all alignments says of them. */
import { constant, grad, input, logSoftmax, sum, type Tensor } from "../../src/core/mod.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { DOUBLE, evaluateIn, type Precision } from "../../src/backends/reference/mod.ts";
import type { CtcTargets } from "../../src/losses/mod.ts";

/** Logits of places and the sequences that they are held against. */
export interface CtcProblem {
  readonly places: number;
  readonly classes: number;
  readonly blank: number;
  /** `[sequences][labels]`, padded. */
  readonly labels: readonly (readonly number[])[];
  readonly lengths: readonly number[];
  /** `[places, sequences, classes]`, row-major. */
  readonly logits: Float64Array;
}

/** A score of log probabilities `[places, sequences, classes]`. */
export type CtcFunction = (logProbs: Tensor, targets: CtcTargets, blank: number) => Tensor;

/** Random logits; sequences of all lengths that fit the labels, with many equal neighbours. */
export function randomCtcProblem(
  seed: number,
  { places, classes, most }: {
    readonly places: number;
    readonly classes: number;
    readonly most: number;
  },
): CtcProblem {
  const blank = seed % classes;
  const draw = normals(foldIn(keyOf(seed), "labels"), 2 * (most + 1) * most);
  const lengths = Array.from({ length: 2 * (most + 1) }, (_, i) => i % (most + 1));
  const labels = lengths.map((_, i) =>
    Array.from({ length: most }, (_, k) => {
      const label = Math.floor(Math.abs(draw[i * most + k]) * 97) % (classes - 1);
      return label < blank ? label : label + 1;
    })
  );
  const size = places * lengths.length * classes;
  const logits = Float64Array.from(normals(foldIn(keyOf(seed), "logits"), size), (x) => 2 * x);
  return { places, classes, blank, labels, lengths, logits };
}

/** The labels that an alignment stands for: equal neighbours merged, then blanks dropped. */
export function collapsed(alignment: readonly number[], blank: number): number[] {
  return alignment.filter((c, place) => c !== blank && c !== alignment[place - 1]);
}

/** All alignments of one sequence's places with their probabilities. */
export function* alignments(
  { places, classes, labels, logits }: CtcProblem,
  sequence: number,
): Generator<{ readonly alignment: readonly number[]; readonly probability: number }> {
  const rows = Array.from({ length: places }, (_, place) => {
    const from = (place * labels.length + sequence) * classes;
    const grown = logits.slice(from, from + classes).map(Math.exp);
    const total = grown.reduce((a, b) => a + b, 0);
    return grown.map((x) => x / total);
  });
  for (let code = 0; code < classes ** places; code++) {
    const alignment = rows.map((_, place) => Math.floor(code / classes ** place) % classes);
    const probability = alignment.reduce((product, c, place) => product * rows[place][c], 1);
    yield { alignment, probability };
  }
}

function targetsOf({ labels, lengths }: CtcProblem): CtcTargets {
  return {
    labels: constant(Int32Array.from(labels.flat()), [labels.length, labels[0].length]),
    lengths: constant(Int32Array.from(lengths)),
  };
}

/** What a function of the log probabilities gives, and the gradient of its sum on the logits. */
export function measureCtc(
  score: CtcFunction,
  problem: CtcProblem,
  precision: Precision = DOUBLE,
): { readonly values: Float64Array; readonly gradient: Float64Array } {
  const { places, classes, labels, blank, logits } = problem;
  const x = input([places, labels.length, classes]);
  const of = (z: Tensor): Tensor => score(logSoftmax(z), targetsOf(problem), blank);
  const outputs = [of(x), grad((z: Tensor) => sum(of(z)))(x)];
  const bindings = new Map([[x, logits]]);
  const [values, gradient] = evaluateIn(precision, outputs, bindings);
  return { values: Float64Array.from(values), gradient: Float64Array.from(gradient) };
}
