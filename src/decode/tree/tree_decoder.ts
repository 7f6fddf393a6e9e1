/**
 * The step of every decoder that drafts trees: one target pass over the tree, one path that stands.
 *
 * @module
 */
import type { Key } from "../../core/random.ts";
import { plainStep } from "../autoregressive.ts";
import type { Decoder, Step } from "../decoder.ts";
import { draftedDecoder, type Held } from "../drafted_decoder.ts";
import type { Logits, TokenId } from "../language_model.ts";
import {
  checkLogits,
  type Clock,
  extendText,
  isFull,
  machineClock,
  readPrompt,
  type TextState,
} from "../text_state.ts";
import type { Warp } from "../warp.ts";
import { childOf, rowsOfTree, type TokenTree } from "./token_tree.ts";
import type { TreeDraft, TreeProposal } from "./tree_draft.ts";
import type { TreeLanguageModel } from "./tree_model.ts";

/** The state of a decoder that drafts trees. */
export interface TreeState<Cache, DraftState> extends TextState<Cache> {
  /** The drafter's state. */
  readonly draft: DraftState;
}

/** A place of a tree at which a token is chosen. */
export interface TreePlace<Cache, Proposal> {
  /** What was drafted. */
  readonly proposal: Proposal;
  /** The node that the token follows; -1 for the end of the text. */
  readonly node: number;
  /** The target's logits there, `[vocabulary]`. */
  readonly logits: Logits;
  /** All tokens before. */
  readonly text: readonly TokenId[];
  /** The decoder's state before the step. */
  readonly state: TextState<Cache>;
}

/** What a decoder of trees is made of. */
export interface TreeParts<Cache, DraftState, Proposal extends TreeProposal<DraftState>> {
  readonly target: TreeLanguageModel<Cache>;
  readonly draft: TreeDraft<DraftState, Cache, Proposal>;
  readonly warp: Warp;
  readonly now?: Clock;
  /** Most nodes that are asked of the drafter. */
  readonly budget: number;
  /** What is left of a proposal before the target reads it. */
  readonly cut: (proposal: Proposal) => Proposal;
  /** The token at a place: of the target's distribution, whatever was drafted. */
  readonly choose: (place: TreePlace<Cache, Proposal>) => TokenId;
}

/** A path of a tree that stands, `[accepted]` places of nodes, and the tokens: one more. */
export interface Walk {
  readonly path: readonly number[];
  readonly tokens: readonly TokenId[];
}

/** Goes down a tree along the tokens that are chosen, to the first that it does not have. */
export function walkTree(
  tree: TokenTree,
  choose: (node: number, before: readonly TokenId[]) => TokenId,
): Walk {
  const path: number[] = [];
  const tokens: TokenId[] = [];
  for (let node: number | undefined = -1; node !== undefined;) {
    const token = choose(node, tokens);
    tokens.push(token);
    node = childOf(tree, node, token);
    if (node !== undefined) path.push(node);
  }
  return { path, tokens };
}

/** The decoder of these parts. */
export function treeDecoder<Cache, DraftState, Proposal extends TreeProposal<DraftState>>(
  parts: TreeParts<Cache, DraftState, Proposal>,
): Decoder<TreeState<Cache, DraftState>> {
  const { target } = parts;
  return draftedDecoder(parts, {
    init: (prompt, key) => initialState(parts, prompt, key),
    step: async (state: TreeState<Cache, DraftState>, held) => {
      const room = target.contextLength - state.text.length;
      if (room > 0) return await treeStep(parts, state, held, room);
      const step = await plainStep(parts, state, (cache) => held.cache = cache);
      return { ...step, state: { ...step.state, draft: held.draft } };
    },
  });
}

async function initialState<Cache, DraftState, Proposal extends TreeProposal<DraftState>>(
  { target, draft, now = machineClock }: TreeParts<Cache, DraftState, Proposal>,
  prompt: readonly TokenId[],
  key: Key,
): Promise<TreeState<Cache, DraftState>> {
  const text = await readPrompt(target, prompt, key, now);
  const start = now();
  try {
    const drafter = await draft.init(prompt);
    return { ...text, prefillSeconds: text.prefillSeconds + now() - start, draft: drafter };
  } catch (error) {
    target.close(text.cache);
    throw error;
  }
}

async function treeStep<Cache, DraftState, Proposal extends TreeProposal<DraftState>>(
  parts: TreeParts<Cache, DraftState, Proposal>,
  state: TreeState<Cache, DraftState>,
  held: Held<Cache, DraftState>,
  room: number,
): Promise<Step<TreeState<Cache, DraftState>>> {
  const { target, draft, now = machineClock } = parts;
  const started = now();
  const proposal = await propose(parts, state, held, room);
  const { tree } = proposal;
  const drafted = now();
  const rows = rowsOfTree(state.text[state.text.length - 1], tree);
  const pass = await target.forwardTree(held.cache, rows, rows.map((_, place) => place));
  held.cache = pass.cache;
  const passed = now();
  checkLogits(pass.logits, rows.length, target.vocabulary);
  const { path, tokens } = walkTree(tree, (node, before) =>
    parts.choose({
      proposal,
      node,
      logits: pass.logits[node + 1],
      text: [...state.text, ...before],
      state,
    }));
  const verified = now();
  held.draft = draft.commit(held.draft, state.text.length + path.length);
  const committed = now();
  held.cache = target.keepPath(held.cache, [0, ...path.map((node) => node + 1)]);
  const extended = extendText(state, tokens, held.cache);
  const seconds = {
    prefill: state.prefillSeconds,
    draft: drafted - started + committed - verified,
    target: passed - drafted,
    verify: verified - passed,
    host: now() - committed,
  };
  return {
    state: { ...extended, draft: held.draft },
    tokens,
    report: { drafted: tree.length, accepted: path.length, emitted: tokens.length, seconds },
    finish: isFull(target, extended) ? "context" : undefined,
  };
}

/** Asks the drafter for a tree that fits, and cuts it. */
async function propose<Cache, DraftState, Proposal extends TreeProposal<DraftState>>(
  { target, draft, warp, budget, cut }: TreeParts<Cache, DraftState, Proposal>,
  { text, coins, cache, draft: drafter }: TreeState<Cache, DraftState>,
  held: Held<Cache, DraftState>,
  room: number,
): Promise<Proposal> {
  const proposal = await draft.propose(drafter, {
    context: text,
    nodes: budget,
    depth: room,
    vocabulary: target.vocabulary,
    warp,
    coin: (position) => coins.draft(text.length, position),
    cache,
  });
  held.draft = proposal.state;
  return cut(proposal);
}
