/** Exact laws of what one round emits, by summing over every draft and every region of the coins. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  acceptProbability,
  blockAcceptProbability,
  blockWeights,
  nextAfterBlock,
  nextAfterTokens,
  type Probs,
  type Round,
  sample,
  type TokenId,
  type Verify,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";

/** A verdict's two laws, in the functions that the sampler itself uses. */
export interface Law {
  readonly name: string;
  readonly verify: Verify;
  /** The probability that coin `i` accepts, `[gamma]`. */
  accepts(round: Round): number[];
  /** How many tokens stand, given which coins accept. */
  standing(accepts: readonly boolean[]): number;
  next(round: Round, accepted: number): Probs;
}

export const tokenLaw: Law = {
  name: "token verification",
  verify: verifyToken,
  accepts: ({ target, draft, tokens }) =>
    tokens.map((token, i) => acceptProbability(target[i], draft[i], token)),
  standing: (accepts) => [...accepts, false].indexOf(false),
  next: nextAfterTokens,
};

export const blockLaw: Law = {
  name: "block verification",
  verify: verifyBlock,
  accepts: (round) => {
    const weights = blockWeights(round);
    return round.tokens.map((_, i) => blockAcceptProbability(round, weights, i + 1));
  },
  standing: (accepts) => accepts.lastIndexOf(true) + 1,
  next: (round, accepted) => nextAfterBlock(round, blockWeights(round), accepted),
};

/** The distribution after a text. */
export type Distribution = (text: readonly TokenId[]) => Probs;

/** Every sequence of `length` tokens. */
export function sequences(vocabulary: number, length: number): TokenId[][] {
  if (length === 0) return [[]];
  const tokens = Array.from({ length: vocabulary }, (_, token) => token);
  return sequences(vocabulary, length - 1).flatMap((prefix) => tokens.map((t) => [...prefix, t]));
}

/** Every way that `count` coins can accept or not. */
export function patterns(count: number): boolean[][] {
  return sequences(2, count).map((bits) => bits.map((bit) => bit === 1));
}

/** The probability of a sequence of tokens after a text. */
export function jointProbability(
  distribution: Distribution,
  text: readonly TokenId[],
  tokens: readonly TokenId[],
): number {
  return tokens.reduce(
    (product, token, i) => product * distribution([...text, ...tokens.slice(0, i)])[token],
    1,
  );
}

/** The round that drafted `tokens` after a text. */
export function roundOf(
  draft: Distribution,
  target: Distribution,
  text: readonly TokenId[],
  tokens: readonly TokenId[],
): Round {
  const after = (count: number) => [...text, ...tokens.slice(0, count)];
  return {
    tokens,
    draft: tokens.map((_, i) => draft(after(i))),
    target: [...tokens, 0].map((_, i) => target(after(i))),
  };
}

/** What one round emits: the probability of each sequence, and the mean number that stands. */
export interface Emission {
  readonly mass: Map<string, number>;
  readonly meanAccepted: number;
}

/** Sums over all drafts and coin regions; also holds the real rule to the laws in every region. */
export function emission(
  law: Law,
  draft: Distribution,
  target: Distribution,
  text: readonly TokenId[],
  gamma: number,
): Emission {
  const mass = new Map<string, number>();
  let meanAccepted = 0;
  for (const tokens of sequences(target(text).length, gamma)) {
    const drafted = jointProbability(draft, text, tokens);
    if (drafted === 0) continue;
    const round = roundOf(draft, target, text, tokens);
    const accepts = law.accepts(round);
    for (const pattern of patterns(gamma)) {
      const region = pattern.reduce(
        (product, yes, i) => product * (yes ? accepts[i] : 1 - accepts[i]),
        1,
      );
      if (region === 0) continue;
      const accepted = law.standing(pattern);
      const next = law.next(round, accepted);
      meanAccepted += drafted * region * accepted;
      next.forEach((probability, token) => {
        const emitted = [...tokens.slice(0, accepted), token].join(" ");
        mass.set(emitted, (mass.get(emitted) ?? 0) + drafted * region * probability);
      });
      holdToLaw(law, round, pattern, accepts, accepted, next);
    }
  }
  return { mass, meanAccepted };
}

/** The rule itself, with coins from the middle of the region, must say what the laws say. */
function holdToLaw(
  law: Law,
  round: Round,
  pattern: readonly boolean[],
  accepts: readonly number[],
  accepted: number,
  next: Probs,
): void {
  const accept = pattern.map((yes, i) => yes ? accepts[i] / 2 : (1 + accepts[i]) / 2);
  for (const coin of [0, 0.3, 0.7, 1 - 2 ** -53]) {
    const coins = { accept, sample: Array(round.target.length).fill(coin) };
    assertEquals(law.verify(round, coins), { accepted, next: sample(next, coin) });
  }
}

/** Continues what a round emits by the target and compares with the target's own joint law. */
export function assertExact(
  { mass }: Emission,
  target: Distribution,
  text: readonly TokenId[],
  gamma: number,
): void {
  for (const tokens of sequences(target(text).length, gamma + 1)) {
    let emitted = 0;
    for (let length = 1; length <= tokens.length; length++) {
      const prefix = tokens.slice(0, length);
      const rest = tokens.slice(length);
      emitted += (mass.get(prefix.join(" ")) ?? 0) *
        jointProbability(target, [...text, ...prefix], rest);
    }
    assertAlmostEquals(emitted, jointProbability(target, text, tokens), 1e-12);
  }
}
