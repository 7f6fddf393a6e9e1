/**
 * The optimal verification of any drafts, by the optimal transport itself: for small vocabularies.
 *
 * The linear program sends the probability of every set of drafts to tokens of the target that lie in
 * it, as much of it as can be. Only which tokens a tuple holds counts, so sets stand for tuples, and the
 * program is a maximum flow: source, sets, their tokens, sink.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Probs, TokenId } from "../language_model.ts";
import { checkVocabulary, draftOutcomes, type MultiDraftLaw, total } from "./law.ts";
import { type FlowEdge, maximumFlow } from "./max_flow.ts";
import { distributionOf, type MultiDraftDecision } from "./rule.ts";

/** What an optimal plan sends where. */
export interface TransportPlan {
  /** The probability that a token is one of the drafts: the value of the linear program. */
  readonly value: number;
  /** What a rule that follows the plan says of drafted tokens. */
  decide(tokens: readonly TokenId[]): MultiDraftDecision;
}

/** What a plan sends from one set of drafts. */
interface DraftSet {
  readonly tokens: readonly TokenId[];
  readonly probability: number;
}

/** Tuples beyond this take longer than a step may. */
const MOST_TUPLES = 100_000;

/**
 * An optimal plan from drafts to target, exact in f64.
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary, or for more than
 * 100,000 tuples, `vocabulary ** count`.
 *
 * @example
 * ```ts
 * import { probsOf, transportPlan, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const plan = transportPlan(probsOf([0.125, 0.875]), withReplacement(probsOf([0.5, 0.5]), 2));
 * assertEquals(plan.value, 0.875);
 * assertEquals(plan.decide([0, 0]).accept, [0.5, 0]);
 * ```
 */
export function transportPlan(target: Probs, law: MultiDraftLaw): TransportPlan {
  checkVocabulary(target, law);
  if (law.vocabulary ** law.count > MOST_TUPLES) {
    throw new OutriderError(
      `at most ${MOST_TUPLES} tuples of drafts`,
      `${law.vocabulary} tokens, ${law.count} drafts`,
      "use another rule; optimalAcceptance gives the value for any vocabulary",
    );
  }
  const sets = draftSets(law);
  const shares = sharesOf(target, sets);
  const sent = new Float64Array(target.length);
  for (const share of shares.values()) {
    for (const [token, amount] of share) sent[token] += amount;
  }
  const left = target.map((value, token) => Math.max(0, value - sent[token]));
  const residual = distributionOf(left, target);
  return {
    value: total(sent),
    decide: (tokens) => {
      const name = nameOf(tokens);
      const share = shares.get(name) ?? new Map<TokenId, number>();
      const probability = sets.get(name)?.probability ?? 1;
      const accept = tokens.map((token, place) =>
        // A token that was drafted twice stands at its first place.
        tokens.indexOf(token) === place ? (share.get(token) ?? 0) / probability : 0
      );
      return { accept, residual };
    },
  };
}

/**
 * The rule of {@link transportPlan}, which is made anew for every verdict.
 *
 * Throws what {@link transportPlan} throws.
 *
 * @example
 * ```ts
 * import { optimalTransport, probsOf, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * const { accept, residual } = optimalTransport(probsOf([0.125, 0.875]), law, [0, 0]);
 * assertEquals([accept, [...residual]], [[0.5, 0], [0, 1]]);
 * ```
 */
export function optimalTransport(
  target: Probs,
  law: MultiDraftLaw,
  tokens: readonly TokenId[],
): MultiDraftDecision {
  return transportPlan(target, law).decide(tokens);
}

function distinct(tokens: readonly TokenId[]): readonly TokenId[] {
  return [...new Set(tokens)].sort((a, b) => a - b);
}

function nameOf(tokens: readonly TokenId[]): string {
  return distinct(tokens).join(" ");
}

/** The sets that drafts can fall into, by name. */
function draftSets(law: MultiDraftLaw): ReadonlyMap<string, DraftSet> {
  const sets = new Map<string, DraftSet>();
  for (const { tokens, probability } of draftOutcomes(law)) {
    const name = nameOf(tokens);
    const before = sets.get(name)?.probability ?? 0;
    sets.set(name, { tokens: distinct(tokens), probability: before + probability });
  }
  return sets;
}

/** What is sent from each set to each of its tokens. */
function sharesOf(
  target: Probs,
  sets: ReadonlyMap<string, DraftSet>,
): ReadonlyMap<string, ReadonlyMap<TokenId, number>> {
  const named = [...sets];
  const firstSet = target.length;
  const source = firstSet + named.length;
  const sink = source + 1;
  const inner = named.flatMap(([name, { tokens, probability }], i) =>
    tokens.map((token) => ({
      name,
      token,
      edge: { from: firstSet + i, to: token, capacity: probability },
    }))
  );
  const edges: FlowEdge[] = [
    ...inner.map(({ edge }) => edge),
    ...named.map(([, { probability }], i) => ({
      from: source,
      to: firstSet + i,
      capacity: probability,
    })),
    ...Array.from(target, (value, token) => ({ from: token, to: sink, capacity: value })),
  ];
  const flow = maximumFlow(sink + 1, edges, source, sink);
  const shares = new Map<string, Map<TokenId, number>>();
  inner.forEach(({ name, token }, i) => {
    const share = shares.get(name) ?? new Map<TokenId, number>();
    shares.set(name, share.set(token, flow[i]));
  });
  return shares;
}
