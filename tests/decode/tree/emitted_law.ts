/** What a decoder with sampled trees emits, over everything that can be drawn. */
import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  functionModel,
  logitsOf,
  type MultiDraftLaw,
  type MultiDraftRule,
  multiDraftSpeculative,
  type PlaceDrafts,
  probabilities,
  type Probs,
  type SampledProposal,
  type TokenId,
  type TreeDraft,
  verifyDrafts,
  type Warp,
} from "../../../src/decode/mod.ts";

/** A tree that can be drawn, and how likely that is. */
export interface DrawnTree<Law extends MultiDraftLaw> {
  readonly proposal: SampledProposal<null, Law>;
  readonly probability: number;
}

/** A drafter that says what it was made with. */
function saying<Law extends MultiDraftLaw>(
  proposal: SampledProposal<null, Law>,
): TreeDraft<null, unknown, SampledProposal<null, Law>> {
  return {
    init: () => Promise.resolve(null),
    propose: () => Promise.resolve(proposal),
    commit: () => null,
    close: () => {},
  };
}

interface Region {
  readonly accept: number;
  readonly sample: number;
  readonly token: TokenId;
  readonly weight: number;
}

/** The middles of the intervals of a cumulative distribution that are not empty. */
function middles(values: Iterable<number>, places: number): { coin: number; weight: number }[] {
  let sum = 0;
  const all = Array.from(values).slice(0, places).map((weight) => {
    sum += weight;
    return { coin: sum - weight / 2, weight };
  });
  return all.filter(({ weight }) => weight > 0);
}

/** Where the coins of a place can lie, and the token that the two laws give there. */
function regionsOf<Law extends MultiDraftLaw>(
  rule: MultiDraftRule<Law>,
  target: Probs,
  { law, tokens }: PlaceDrafts<Law>,
): Region[] {
  const { accept, residual } = rule(target, law, tokens);
  const rest = 1 - accept.reduce((sum, value) => sum + value, 0);
  const accepted = middles(accept, accept.length).map(({ coin, weight }) => {
    const { token } = verifyDrafts(rule, { target, law, tokens }, { accept: coin, sample: 0.5 });
    return { accept: coin, sample: 0.5, token, weight };
  });
  if (rest < 1e-13) return accepted;
  const drawn = middles(residual, residual.length).map(({ coin, weight }) => {
    const coins = { accept: 1 - rest / 2, sample: coin };
    const { token } = verifyDrafts(rule, { target, law, tokens }, coins);
    return { ...coins, token, weight: weight * rest };
  });
  return [...accepted, ...drawn];
}

/** What is judged, and how. */
export interface Judging<Law extends MultiDraftLaw> {
  readonly rule: MultiDraftRule<Law>;
  readonly warp: Warp;
  /** How many tokens there are. */
  readonly vocabulary: number;
  /** What the trees follow. */
  readonly text: readonly TokenId[];
}

/**
 * What the decoder emits behind a text, over all of these trees and regions of coins, but the token
 * behind a leaf.
 */
export async function emitted<Law extends MultiDraftLaw>(
  { rule, warp, vocabulary, text }: Judging<Law>,
  trees: readonly DrawnTree<Law>[],
  targetLogits: (prefix: readonly TokenId[]) => Float32Array,
): Promise<Map<string, number>> {
  const target = functionModel({ vocabulary, contextLength: 16, logits: targetLogits });
  const targetOf = (before: readonly TokenId[]) =>
    probabilities(warp, logitsOf(targetLogits(before)), before);
  const mass = new Map<string, number>();
  for (const { proposal, probability } of trees) {
    const decoder = multiDraftSpeculative({ target, draft: saying(proposal), rule, warp });
    const visit = async (
      node: number,
      chosen: readonly Region[],
      weight: number,
    ): Promise<void> => {
      const tokens = chosen.map(({ token }) => token);
      const place = proposal.places[node + 1];
      if (place !== undefined) {
        for (const region of regionsOf(rule, targetOf([...text, ...tokens]), place)) {
          const child = proposal.tree.findIndex(({ parent, token }) =>
            parent === node && token === region.token
          );
          const next = [...chosen, region];
          if (child < 0) await run(next, weight * region.weight);
          else await visit(child, next, weight * region.weight);
        }
        return;
      }
      // Behind a leaf the target draws: its law continues what is emitted.
      await run(chosen, weight);
    };
    const run = async (chosen: readonly Region[], weight: number): Promise<void> => {
      const start = text.length;
      const coins = {
        draft: () => 0.5,
        accept: (_start: number, position: number) => chosen[position - start]?.accept ?? 0.5,
        sample: (position: number) => chosen[position - start]?.sample ?? 0.5,
      };
      const state = await decoder.init(text, keyOf(0));
      const step = await decoder.step({ ...state, coins });
      decoder.close(step.state);
      const expected = chosen.map(({ token }) => token);
      assertEquals(step.tokens.slice(0, chosen.length), expected);
      assert(step.tokens.length <= chosen.length + 1);
      mass.set(expected.join(" "), (mass.get(expected.join(" ")) ?? 0) + weight * probability);
    };
    await visit(-1, [], 1);
  }
  return mass;
}
