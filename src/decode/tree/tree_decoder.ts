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
import { childOf, expectedTokens, rowsOfTree, type TokenTree } from "./token_tree.ts";
import type { TreeBudget } from "./tree_budget.ts";
import type { TreeDraft, TreeProposal, TreeRequest } from "./tree_draft.ts";
import type { TreeLanguageModel } from "./tree_model.ts";

/** The state of a decoder that drafts trees. */
export interface TreeState<Cache, DraftState, BudgetState = null> extends TextState<Cache> {
  /** The drafter's state. */
  readonly draft: DraftState;
  /** The state of the rule for the tree's size. */
  readonly budget: BudgetState;
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
export interface TreeParts<
  Cache,
  DraftState,
  BudgetState,
  Proposal extends TreeProposal<DraftState>,
> {
  readonly target: TreeLanguageModel<Cache>;
  readonly draft: TreeDraft<DraftState, Cache, Proposal>;
  readonly warp: Warp;
  readonly now?: Clock;
  /** How many nodes trees have. */
  readonly budget: TreeBudget<BudgetState>;
  /** The part of a proposal with the first nodes of its tree. */
  readonly cut: (proposal: Proposal, nodes: number) => Proposal;
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
export function treeDecoder<
  Cache,
  DraftState,
  BudgetState,
  Proposal extends TreeProposal<DraftState>,
>(
  parts: TreeParts<Cache, DraftState, BudgetState, Proposal>,
): Decoder<TreeState<Cache, DraftState, BudgetState>> {
  const { target, budget } = parts;
  return draftedDecoder(parts, {
    init: (prompt, key) => initialState(parts, prompt, key),
    step: async (state: TreeState<Cache, DraftState, BudgetState>, held) => {
      const room = target.contextLength - state.text.length;
      const nodes = budget.nodes(state.budget);
      if (room > 0 && nodes > 0) return await treeStep(parts, state, held, { nodes, depth: room });
      const step = await plainStep(parts, state, (cache) => held.cache = cache);
      const next = budget.step(state.budget, step.report, 0);
      return { ...step, state: { ...step.state, draft: held.draft, budget: next } };
    },
  });
}

async function initialState<
  Cache,
  DraftState,
  BudgetState,
  Proposal extends TreeProposal<DraftState>,
>(
  { target, draft, budget, now = machineClock }: TreeParts<
    Cache,
    DraftState,
    BudgetState,
    Proposal
  >,
  prompt: readonly TokenId[],
  key: Key,
): Promise<TreeState<Cache, DraftState, BudgetState>> {
  const text = await readPrompt(target, prompt, key, now);
  const start = now();
  try {
    const drafter = await draft.init(prompt);
    const prefillSeconds = text.prefillSeconds + now() - start;
    return { ...text, prefillSeconds, draft: drafter, budget: budget.init() };
  } catch (error) {
    target.close(text.cache);
    throw error;
  }
}

async function treeStep<
  Cache,
  DraftState,
  BudgetState,
  Proposal extends TreeProposal<DraftState>,
>(
  parts: TreeParts<Cache, DraftState, BudgetState, Proposal>,
  state: TreeState<Cache, DraftState, BudgetState>,
  held: Held<Cache, DraftState>,
  most: Pick<TreeRequest, "nodes" | "depth">,
): Promise<Step<TreeState<Cache, DraftState, BudgetState>>> {
  const { target, draft, budget, now = machineClock } = parts;
  const started = now();
  const proposal = await propose(parts, state, held, most);
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
  const report = {
    drafted: tree.length,
    accepted: path.length,
    emitted: tokens.length,
    seconds,
  };
  const next = budget.step(state.budget, report, expectedTokens(tree) - 1);
  return {
    state: { ...extended, draft: held.draft, budget: next },
    tokens,
    report,
    finish: isFull(target, extended) ? "context" : undefined,
  };
}

/** Asks the drafter for a tree that fits, and cuts it. */
async function propose<
  Cache,
  DraftState,
  BudgetState,
  Proposal extends TreeProposal<DraftState>,
>(
  { target, draft, warp, budget, cut }: TreeParts<Cache, DraftState, BudgetState, Proposal>,
  { text, coins, cache, draft: drafter, budget: known }: TreeState<
    Cache,
    DraftState,
    BudgetState
  >,
  held: Held<Cache, DraftState>,
  most: Pick<TreeRequest, "nodes" | "depth">,
): Promise<Proposal> {
  const proposal = await draft.propose(drafter, {
    ...most,
    context: text,
    vocabulary: target.vocabulary,
    warp,
    coin: (position) => coins.draft(text.length, position),
    cache,
  });
  held.draft = proposal.state;
  const probabilities = proposal.tree.map(({ probability }) => probability);
  return cut(proposal, budget.cut(known, probabilities));
}
