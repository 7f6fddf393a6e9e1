/**
 * The work of one iteration: a target pass over what is pending, and a draft behind it.
 *
 * @module
 */
import { checkProposal, checkTokens, type Draft, type Proposal } from "../draft.ts";
import type { Held } from "../drafted_decoder.ts";
import type { LanguageModel, Logits, TokenId } from "../language_model.ts";
import { checkLogits, type Clock, machineClock, type TextState } from "../text_state.ts";
import type { Warp } from "../warp.ts";
import { both } from "./both.ts";
import type { DraftedToken } from "./transition.ts";

/** The parts of a `pearl` decoder. */
export interface PearlOptions<Cache, DraftState> {
  /** The model that decides. It should run where it does not hold up the draft. */
  readonly target: LanguageModel<Cache>;
  /** What runs ahead; it cannot look into the target's cache, which is in use meanwhile. */
  readonly draft: Draft<DraftState>;
  /** What shapes both models' distributions; `temperature(0)` is greedy. */
  readonly warp: Warp;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
}

/** What both models gave. */
export interface Given {
  /** The target's rows in the places of the pending tokens and of the one behind them. */
  readonly logits: readonly Logits[];
  readonly drafted: readonly DraftedToken[];
  readonly draftedAt: number;
}

/** Runs the target over the pending tokens and, at the same time, the draft behind them. */
export async function runBoth<Cache, DraftState>(
  options: PearlOptions<Cache, DraftState>,
  state: TextState<Cache> & { readonly pending: readonly DraftedToken[] },
  held: Held<Cache, DraftState>,
  gamma: number,
): Promise<Given> {
  const { target, warp, now = machineClock } = options;
  const { text } = state;
  const context = [...text, ...state.pending.map(({ token }) => token)];
  const room = target.contextLength + 1 - context.length;
  // Where the context has room for nothing behind the pending tokens, no row can be wanted for it.
  const rows = state.pending.length + (room > 0 ? 1 : 0);
  const [logits, ahead] = await both(async () => {
    const block = context.slice(text.length - 1, text.length - 1 + rows);
    const pass = await target.forward(held.cache, block, rows);
    held.cache = pass.cache;
    return pass.logits;
  }, async () => {
    const wanted = Math.min(gamma, room);
    const proposal = wanted > 0 ? await propose(options, state, held, context, wanted) : undefined;
    return { proposal, draftedAt: now() };
  });
  checkLogits(logits, rows, target.vocabulary);
  const { proposal, draftedAt } = ahead;
  if (proposal === undefined) return { logits, drafted: [], draftedAt };
  if (warp.only === undefined) checkProposal(proposal, target.vocabulary);
  else checkTokens(proposal, target.vocabulary);
  return { logits, drafted: draftedTokens(proposal), draftedAt };
}

/** Every token's coin belongs to its position alone: however often it is drawn, it is judged once. */
async function propose<Cache, DraftState>(
  { target, draft, warp }: PearlOptions<Cache, DraftState>,
  { coins }: TextState<Cache>,
  held: Held<Cache, DraftState>,
  context: readonly TokenId[],
  gamma: number,
): Promise<Proposal<DraftState>> {
  const { vocabulary } = target;
  const coin = (position: number): number => coins.draft(position, position);
  const proposal = await draft.propose(held.draft, { context, gamma, vocabulary, warp, coin });
  held.draft = proposal.state;
  return proposal;
}

/** Distributions are read when they are needed, which is never where the warp leaves one token. */
function draftedTokens<DraftState>(
  { tokens, probs }: Proposal<DraftState>,
): readonly DraftedToken[] {
  return tokens.map((token, place) => ({
    token,
    get probs() {
      return probs[place];
    },
  }));
}
