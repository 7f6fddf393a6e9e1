/**
 * Drafts drawn into the shape of a tree.
 *
 * @module
 */
import type { Probs } from "../language_model.ts";
import { type GreedyDrafts, greedyDrafts } from "../multi_draft/greedy_drafts.ts";
import { sample } from "../sample.ts";
import type { PlaceDrafts } from "./draft_samples.ts";
import type { TokenTree, TreeNode } from "./token_tree.ts";
import { depthsOf } from "./tree_model.ts";

/** A tree whose children were drawn, and the drafts behind each node, those behind the text first. */
export interface DrawnTree {
  /** The drafted tokens. */
  readonly tree: TokenTree;
  /** `[1 + tree.length]`, nothing at leaves. */
  readonly places: readonly (PlaceDrafts<GreedyDrafts> | undefined)[];
}

/**
 * A tree of a given shape with greedy drafts at every node: of `n` children the likeliest `n - 1`
 * tokens in falling order and, as the last child, one that is drawn from all others. A node whose
 * distribution has fewer tokens has fewer children; what would follow the missing ones is left out.
 *
 * @param shape a tree whose tokens are not looked at
 * @param probsAt the distribution `[vocabulary]` of the tokens at a depth, 0 behind the text
 * @param coin a coin in [0, 1) for each draw
 */
export function drawTree(
  shape: TokenTree,
  probsAt: (depth: number) => Probs,
  coin: (draw: number) => number,
): DrawnTree {
  const lawAt = lawsOf(probsAt);
  const depths = depthsOf(shape);
  const counts = new Array<number>(1 + shape.length).fill(0);
  for (const { parent } of shape) counts[parent + 1]++;
  const tree: TreeNode[] = [];
  const places: (PlaceDrafts<GreedyDrafts> | undefined)[] = [undefined];
  /** Where the text, first, and the shape's nodes come to; nowhere what is left out. */
  const found: (number | undefined)[] = [-1];
  const given = new Array<number>(1 + shape.length).fill(0);
  let draws = 0;
  for (const [i, node] of shape.entries()) {
    const family = node.parent + 1;
    const parent = found[family];
    if (parent === undefined) {
      found.push(undefined);
      continue;
    }
    const drafts = places[parent + 1] ?? draw(lawAt(depths[i], counts[family]), coin(draws++));
    places[parent + 1] = drafts;
    const token = drafts.tokens.at(given[family]++);
    found.push(token === undefined ? undefined : tree.length);
    if (token === undefined) continue;
    const above = parent < 0 ? 1 : tree[parent].probability;
    tree.push({ token, parent, probability: above * probsAt(depths[i])[token] });
    places.push(undefined);
  }
  return { tree, places };
}

/** Laws by depth and count, each made once. */
function lawsOf(
  probsAt: (depth: number) => Probs,
): (depth: number, count: number) => GreedyDrafts {
  const made = new Map<string, GreedyDrafts>();
  return (depth, count) => {
    const name = `${depth} ${count}`;
    const law = made.get(name) ?? greedyDrafts(probsAt(depth), count);
    made.set(name, law);
    return law;
  };
}

/** The drafts of a law, one of which is drawn: `drawDrafts` would draw what is certain as well. */
function draw(law: GreedyDrafts, coin: number): PlaceDrafts<GreedyDrafts> {
  return { law, tokens: [...law.top, sample(law.last, coin)] };
}
