/**
 * Texts of a target with what a drafter says at each of their places, and what any tree of it gives on
 * them: a text does not depend on how it is decoded, so one pass over it serves trees of all sizes.
 *
 * @module
 */
import { foldIn, type Key, keyOf, uniform } from "@outrider/outrider/core";
import {
  type Draft,
  probabilities,
  type Proposal,
  sample,
  temperature,
  type TokenTree,
  type TreeDraft,
  type TreeLanguageModel,
} from "@outrider/outrider/decode";

/** What a drafter's distribution says of the token that came. */
export interface Guess {
  /** How many tokens are likelier; Infinity of one that cannot be drafted. */
  readonly rank: number;
  /** Its probability. */
  readonly probability: number;
  /** `[most + 1]`: the mass of the likeliest 0, 1, ... tokens. */
  readonly mass: Float64Array;
}

/** A place of a text: its token, and what the drafter said right before it. */
export interface Moment {
  readonly token: number;
  /** The target's probability of the token. */
  readonly probability: number;
  readonly tree: TokenTree;
  /** The drafter's likeliest token of each place, as a path. */
  readonly chain: TokenTree;
  /** Of this token and those behind it, where the drafter has a distribution for each place. */
  readonly guesses: readonly Guess[];
}

/** A text, place by place. */
export type RecordedText = readonly Moment[];

/** What a recording is made with. */
export interface Recorder<Cache, TreeState, ChainState> {
  readonly model: TreeLanguageModel<Cache>;
  readonly tree: TreeDraft<TreeState, Cache>;
  readonly chain: Draft<ChainState, Cache>;
  /** Whether places see one another's tokens: only where they do not is there a guess for each. */
  readonly places: "independent" | "dependent";
  readonly heat: number;
  /** Most nodes of a tree. */
  readonly most: number;
  readonly depth: number;
  readonly maxTokens: number;
  readonly endOfTurn: ReadonlySet<number>;
}

/** Writes the target's text and asks the drafter at every place of it. */
export async function recordText<Cache, TreeState, ChainState>(
  recorder: Recorder<Cache, TreeState, ChainState>,
  prompt: readonly number[],
  key: Key,
): Promise<RecordedText> {
  const { model, tree: drafter, chain, places, most, depth, maxTokens, endOfTurn } = recorder;
  const warp = temperature(recorder.heat);
  const text = [...prompt];
  const said: (Omit<Moment, "token" | "guesses"> & { readonly rows: readonly Float64Array[] })[] =
    [];
  let { cache } = await model.forward(model.open(), prompt.slice(0, -1), 0);
  let state: TreeState = await drafter.init(prompt);
  let chainState: ChainState = await chain.init(prompt);
  const heats = places === "independent" ? [0, 1] : [0];
  while (said.length < maxTokens && text.length < model.contextLength) {
    const ask = { context: text, vocabulary: model.vocabulary, coin: () => 0.5, cache };
    const proposal = await drafter.propose(state, { ...ask, nodes: most, depth, warp });
    state = drafter.commit(proposal.state, text.length);
    const blocks: Proposal<ChainState>[] = [];
    for (const heat of heats) {
      const block = await chain.propose(chainState, {
        ...ask,
        gamma: depth,
        warp: temperature(heat),
      });
      chainState = chain.commit(block.state, text.length - 1);
      blocks.push(block);
    }
    const [greedy, sampled] = blocks;
    const rows = sampled === undefined ? [] : Array.from(sampled.probs, (row) => row);
    const step = await model.forward(cache, text.slice(-1), 1);
    cache = step.cache;
    const q = probabilities(warp, step.logits[0], text);
    const token = sample(q, uniform(foldIn(key, text.length)));
    const path = pathOf(greedy.tokens);
    said.push({ tree: proposal.tree, chain: path, rows, probability: q[token] });
    text.push(token);
    if (endOfTurn.has(token)) break;
  }
  model.close(cache);
  drafter.close(state);
  chain.close(chainState);
  const written = text.slice(prompt.length);
  return said.map(({ rows, ...moment }, at) => ({
    ...moment,
    token: written[at],
    guesses: rows.slice(0, written.length - at).map((row, i) =>
      guessOf(row, written[at + i], most)
    ),
  }));
}

function guessOf(row: Float64Array, token: number, most: number): Guess {
  const likeliest = Float64Array.from(row).sort().reverse().subarray(0, most);
  const mass = new Float64Array(most + 1);
  likeliest.forEach((value, i) => mass[i + 1] = mass[i] + value);
  const probability = row[token];
  const rank = probability === 0
    ? Infinity
    : row.reduce((before, value, other) =>
      before + (value > probability || value === probability && other < token ? 1 : 0), 0);
  return { rank, probability, mass };
}

/** A way in which a pass over what was drafted can end. */
interface Outcome {
  readonly tokens: number;
  readonly probability: number;
}

/** How drafts stand: where the target's token is among them, or by the rule of drawn last children. */
export type Judging = "match" | "drawn";

/** How many tokens a pass at a place of a text gives, with the first nodes of its tree. */
function outcomes(
  text: RecordedText,
  at: number,
  tree: TokenTree,
  judging: Judging,
): readonly Outcome[] {
  const found: Outcome[] = [];
  const visit = (node: number, place: number, probability: number): void => {
    const moment = text[at + place];
    if (moment === undefined) return void found.push({ tokens: place, probability });
    const children = tree.flatMap(({ parent }, i) => parent === node ? [i] : []);
    const stands = standingOf(text[at], place, moment, tree, children, judging);
    if (stands.share > 0) visit(stands.child, place + 1, probability * stands.share);
    if (stands.share < 1) {
      found.push({ tokens: place + 1, probability: probability * (1 - stands.share) });
    }
  };
  visit(-1, 0, 1);
  return found;
}

/** Which child the token of a place stands as, and how often. */
function standingOf(
  { guesses }: Moment,
  place: number,
  { token, probability: q }: Moment,
  tree: TokenTree,
  children: readonly number[],
  judging: Judging,
): { readonly child: number; readonly share: number } {
  const last = children.at(-1);
  if (last === undefined) return { child: -1, share: 0 };
  if (judging === "match") {
    const child = children.find((i) => tree[i].token === token);
    return child === undefined ? { child: -1, share: 0 } : { child, share: 1 };
  }
  const { rank, probability, mass } = guesses[place];
  const top = children.length - 1;
  if (rank < top) return { child: children[rank], share: 1 };
  return { child: last, share: Math.min(1, probability / Math.max(1e-300, 1 - mass[top]) / q) };
}

/** Expected target passes over a text with the trees that `treeAt` gives. */
export function passesOver(
  text: RecordedText,
  treeAt: (moment: Moment) => TokenTree,
  judging: Judging,
): number {
  const begins = new Float64Array(text.length + 1);
  begins[0] = 1;
  let passes = 0;
  for (const [at, moment] of text.entries()) {
    if (begins[at] === 0) continue;
    passes += begins[at];
    for (const { tokens, probability } of outcomes(text, at, treeAt(moment), judging)) {
      begins[at + tokens] += begins[at] * probability;
    }
  }
  return passes;
}

/** Tokens per target pass over all texts. */
export function tauOf(
  texts: readonly RecordedText[],
  treeAt: (moment: Moment) => TokenTree,
  judging: Judging,
): number {
  const tokens = texts.reduce((sum, { length }) => sum + length, 0);
  return tokens / texts.reduce((sum, text) => sum + passesOver(text, treeAt, judging), 0);
}

/** Tokens as a tree that does not branch. */
function pathOf(tokens: readonly number[]): TokenTree {
  return tokens.map((token, i) => ({ token, parent: i - 1, probability: 1 }));
}

/** Share of places at which the token so many places on was among the likeliest `count`. */
export function recallOf(texts: readonly RecordedText[], place: number, count: number): number {
  const seen = texts.flatMap((text) => text.flatMap(({ guesses }) => guesses[place] ?? []));
  return seen.filter(({ rank }) => rank < count).length / Math.max(1, seen.length);
}

/** The key of a text by its number. */
export function textKey(index: number): Key {
  return foldIn(keyOf(1), index);
}
