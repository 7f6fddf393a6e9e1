/** Target and draft distributions of every awkward kind, and every law and rule that goes with them. */
import { foldIn, type Key, keyOf, uniform } from "../../../src/core/random.ts";
import {
  greedyDrafts,
  greedyOptimal,
  kSequential,
  type MultiDraftDecision,
  type MultiDraftLaw,
  oneHot,
  type Probs,
  probsOf,
  recursiveRejection,
  type TokenId,
  transportPlan,
  withoutReplacement,
  withReplacement,
} from "../../../src/decode/mod.ts";

/** The target's distribution `q` and the draft's `p`. */
export interface Pair {
  readonly q: Probs;
  readonly p: Probs;
}

function uniforms(key: Key, count: number): number[] {
  return Array.from({ length: count }, (_, i) => uniform(foldIn(key, i)));
}

/** Kinds of distributions, by what makes them awkward. */
const KINDS: readonly ((key: Key, vocabulary: number) => Probs)[] = [
  // Smooth, and with a few tokens that hold nearly everything.
  (key, vocabulary) => weighted(uniforms(key, vocabulary)),
  (key, vocabulary) => weighted(uniforms(key, vocabulary).map((u) => Math.exp(8 * u))),
  (key, vocabulary) => weighted(uniforms(key, vocabulary).map((u) => Math.exp(40 * u))),
  // With tokens that cannot come, and with equals.
  (key, vocabulary) => weighted(uniforms(key, vocabulary).map((u) => u < 0.5 ? 0 : u)),
  (key, vocabulary) => weighted(uniforms(key, vocabulary).map((u) => Math.ceil(3 * u) / 4)),
  (key, vocabulary) => weighted(uniforms(key, vocabulary).map((u) => Math.floor(3 * u) / 4)),
  (_, vocabulary) => weighted(new Array(vocabulary).fill(1)),
  (key, vocabulary) => oneHot(vocabulary, Math.floor(uniforms(key, 1)[0] * vocabulary)),
];

function weighted(weights: ArrayLike<number>): Probs {
  const sum = Array.from(weights).reduce((total, value) => total + value, 0);
  if (sum === 0) return oneHot(weights.length, 0);
  return probsOf(Float64Array.from(weights, (value) => value / sum));
}

/** Every kind of target with every kind of draft, `repeats` times, and pairs of equals. */
export function pairs(vocabulary: number, repeats: number, seed = 1): Pair[] {
  return Array.from({ length: repeats }, (_, repeat) => {
    const key = foldIn(foldIn(keyOf(seed), vocabulary), repeat);
    const make = (purpose: string, kind: number): Probs =>
      KINDS[kind](foldIn(foldIn(key, purpose), kind), vocabulary);
    const kinds = KINDS.map((_, kind) => kind);
    return [
      ...kinds.flatMap((a) => kinds.map((b) => ({ q: make("target", a), p: make("draft", b) }))),
      ...kinds.map((a) => ({ q: make("target", a), p: make("target", a) })),
    ];
  }).flat();
}

/** Every law of `count` drafts. */
export function laws(p: Probs, count: number): MultiDraftLaw[] {
  return [withReplacement(p, count), withoutReplacement(p, count), greedyDrafts(p, count)];
}

/** A rule that is bound to a target and a law. */
export interface BoundRule {
  readonly name: string;
  readonly law: MultiDraftLaw;
  readonly decide: (tokens: readonly TokenId[]) => MultiDraftDecision;
}

/** Every rule with every law that it takes, for `count` drafts. */
export function rules({ q, p }: Pair, count: number): BoundRule[] {
  const independent = withReplacement(p, count);
  const greedy = greedyDrafts(p, count);
  return [
    ...laws(p, count).flatMap((law, i) => [
      {
        name: `recursive rejection, law ${i}`,
        law,
        decide: (tokens: readonly TokenId[]) => recursiveRejection(q, law, tokens),
      },
      { name: `transport, law ${i}`, law, decide: transportPlan(q, law).decide },
    ]),
    {
      name: "K-SEQ",
      law: independent,
      decide: (tokens) => kSequential(q, independent, tokens),
    },
    { name: "greedy optimal", law: greedy, decide: (tokens) => greedyOptimal(q, greedy, tokens) },
  ];
}
