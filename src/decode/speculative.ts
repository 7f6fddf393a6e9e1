/**
 * Chain-speculative decoding: a draft runs ahead, one target pass judges all of it.
 *
 * @module
 */

import type { Key } from "../core/random.ts";
import { plainStep } from "./autoregressive.ts";
import type { Decoder, Step } from "./decoder.ts";
import { checkProposal, checkTokens, type Draft, type Proposal } from "./draft.ts";
import { type DraftLength, fixedLength } from "./draft_length.ts";
import { draftedDecoder, type Held } from "./drafted_decoder.ts";
import type { LanguageModel, TokenId } from "./language_model.ts";
import { lazyRows } from "./lazy_rows.ts";
import { nextOfPass, onlyToken, type PassRows, probabilitiesOf } from "./next_token.ts";
import {
  checkLogits,
  type Clock,
  extendText,
  isFull,
  machineClock,
  readPrompt,
  type TextState,
} from "./text_state.ts";
import type { Round, Verdict, Verify } from "./verify.ts";
import type { Warp } from "./warp.ts";

/** The parts of a {@link speculative} decoder. */
export interface SpeculativeOptions<Cache, DraftState> {
  /** The model that decides. */
  readonly target: LanguageModel<Cache>;
  /** What runs ahead. */
  readonly draft: Draft<DraftState, Cache>;
  /**
   * The rule that judges, such as `verifyToken` or `verifyBlock`; it must be exact, and is not asked
   * where the warp leaves one token.
   */
  readonly verify: Verify;
  /** What shapes both models' distributions; `temperature(0)` is greedy. */
  readonly warp: Warp;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
}

/** The state of a {@link speculative} decoder. */
export interface SpeculativeState<Cache, DraftState, LengthState> extends TextState<Cache> {
  /** The drafter's state. */
  readonly draft: DraftState;
  /** The state of the rule for the draft's length. */
  readonly length: LengthState;
}

/**
 * A decoder that emits the target's processed distribution exactly, several tokens per target pass.
 *
 * `gamma` is the number of tokens to draft, or a {@link DraftLength} rule; near the end of the
 * context it is lowered. Errors are those of `autoregressive`.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import * as decode from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const target = decode.functionModel({ vocabulary: 3, contextLength: 9, logits });
 * const { verifyToken: verify, temperature } = decode;
 * const draft = decode.draftModel(target);
 * const decoder = decode.speculative({ target, draft, verify, warp: temperature(0), gamma: 3 });
 * const { tokens, reports } = await decode.generate(decoder, [0], { key: keyOf(1) });
 * assertEquals([tokens, reports.length], [[1, 2, 0, 1, 2, 0, 1, 2, 0], 3]);
 * ```
 */
export function speculative<Cache, DraftState>(
  options: SpeculativeOptions<Cache, DraftState> & { readonly gamma: number },
): Decoder<SpeculativeState<Cache, DraftState, null>>;
/** The same with a rule for the number of tokens to draft. */
export function speculative<Cache, DraftState, LengthState>(
  options: SpeculativeOptions<Cache, DraftState> & { readonly gamma: DraftLength<LengthState> },
): Decoder<SpeculativeState<Cache, DraftState, LengthState>>;
export function speculative<Cache, DraftState, LengthState>(
  options: SpeculativeOptions<Cache, DraftState> & {
    readonly gamma: number | DraftLength<LengthState>;
  },
):
  | Decoder<SpeculativeState<Cache, DraftState, null>>
  | Decoder<SpeculativeState<Cache, DraftState, LengthState>> {
  const { gamma } = options;
  return typeof gamma === "number"
    ? decoderOf(options, fixedLength(gamma))
    : decoderOf(options, gamma);
}

function decoderOf<Cache, DraftState, LengthState>(
  options: SpeculativeOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
): Decoder<SpeculativeState<Cache, DraftState, LengthState>> {
  const { target, draft } = options;
  return draftedDecoder({ target, draft }, {
    init: (prompt, key) => initialState(options, rule, prompt, key),
    step: async (state: SpeculativeState<Cache, DraftState, LengthState>, held) => {
      const room = target.contextLength - state.text.length;
      const guess = guessOf(() => draft.guess?.(held.draft, state.text));
      const hasGuess = (): boolean => guess.ask() !== undefined;
      const gamma = Math.min(rule.gamma(state.length, hasGuess), room);
      return gamma > 0
        ? await speculate(options, rule, state, held, gamma, guess)
        : await waitOneToken(options, rule, state, held, guess);
    },
  });
}

async function initialState<Cache, DraftState, LengthState>(
  { target, draft, now = machineClock }: SpeculativeOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
  prompt: readonly TokenId[],
  key: Key,
): Promise<SpeculativeState<Cache, DraftState, LengthState>> {
  const text = await readPrompt(target, prompt, key, now);
  const start = now();
  try {
    // A drafter that will never be asked reads no prompt: its cache may lag behind.
    const drafter = await draft.init(rule.isPlain === true ? prompt.slice(0, 1) : prompt);
    const prefillSeconds = text.prefillSeconds + now() - start;
    return { ...text, prefillSeconds, draft: drafter, length: rule.init() };
  } catch (error) {
    target.close(text.cache);
    throw error;
  }
}

/** What a drafter guesses: looked for when it is first asked for, since that takes time. */
interface Guess {
  ask(): TokenId | undefined;
  /** What was found, if anybody has asked. */
  readonly known: TokenId | undefined;
}

function guessOf(look: () => TokenId | undefined): Guess {
  let found: { readonly token: TokenId | undefined } | undefined;
  return {
    ask: () => (found ??= { token: look() }).token,
    get known() {
      return found?.token;
    },
  };
}

/** A step of plain decoding, at its price: the drafter is asked for no more than its guess. */
async function waitOneToken<Cache, DraftState, LengthState>(
  options: SpeculativeOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
  state: SpeculativeState<Cache, DraftState, LengthState>,
  held: Held<Cache, DraftState>,
  { ask }: Guess,
): Promise<Step<SpeculativeState<Cache, DraftState, LengthState>>> {
  const guess = rule.isPlain === true ? undefined : ask();
  const step = await plainStep(options, state, (cache) => held.cache = cache);
  const [next] = step.tokens;
  const report = guess === undefined
    ? step.report
    : { ...step.report, hasGuess: true, guessed: guess === next };
  const length = rule.step(state.length, report);
  return { ...step, report, state: { ...step.state, draft: held.draft, length } };
}

async function speculate<Cache, DraftState, LengthState>(
  options: SpeculativeOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
  state: SpeculativeState<Cache, DraftState, LengthState>,
  held: Held<Cache, DraftState>,
  gamma: number,
  { known }: Guess,
): Promise<Step<SpeculativeState<Cache, DraftState, LengthState>>> {
  const { target, draft, now = machineClock } = options;
  const started = now();
  const proposal = await propose(options, state, gamma);
  held.draft = proposal.state;
  if (options.warp.only === undefined) checkProposal(proposal, target.vocabulary);
  else checkTokens(proposal, target.vocabulary);
  const drafted = now();
  const block = [...state.text.slice(-1), ...proposal.tokens];
  const pass = await target.forward(held.cache, block, block.length);
  held.cache = pass.cache;
  const passed = now();
  checkLogits(pass.logits, block.length, target.vocabulary);
  const { accepted, next } = judge(options, state, proposal, pass);
  const verified = now();
  const stands = state.text.length + accepted;
  held.draft = draft.commit(held.draft, stands);
  const committed = now();
  if (accepted < proposal.tokens.length) held.cache = target.truncate(held.cache, stands);
  const tokens = [...proposal.tokens.slice(0, accepted), next];
  const extended = extendText(state, tokens, held.cache);
  const seconds = {
    prefill: state.prefillSeconds,
    draft: drafted - started + committed - verified,
    target: passed - drafted,
    verify: verified - passed,
    host: now() - committed,
  };
  const drafting = { drafted: proposal.tokens.length, accepted, emitted: tokens.length };
  const report = { ...drafting, ...(known === undefined ? {} : { hasGuess: true }), seconds };
  return {
    state: { ...extended, draft: held.draft, length: rule.step(state.length, report) },
    tokens,
    report,
    finish: isFull(target, extended) ? "context" : undefined,
  };
}

/** Drafts up to `gamma` tokens. */
async function propose<Cache, DraftState>(
  { target, draft, warp }: SpeculativeOptions<Cache, DraftState>,
  { text, coins, cache, draft: drafter }: TextState<Cache> & { readonly draft: DraftState },
  gamma: number,
): Promise<Proposal<DraftState>> {
  const start = text.length;
  return await draft.propose(drafter, {
    context: text,
    gamma,
    vocabulary: target.vocabulary,
    warp,
    coin: (position) => coins.draft(start, position),
    cache,
  });
}

/** Applies the warp to the target's rows, draws the coins of this place and asks the rule. */
function judge<Cache, DraftState>(
  { warp, verify }: SpeculativeOptions<Cache, DraftState>,
  { text, coins }: TextState<Cache>,
  { tokens, probs }: Proposal<DraftState>,
  pass: PassRows,
): Verdict {
  const { logits } = pass;
  const start = text.length;
  // Where the warp leaves one token, every exact rule accepts this token and no other.
  if (warp.only !== undefined) return judgeCertain(warp.only, text, tokens, pass);
  if (tokens.length === 0) {
    // Plain decoding, at its price: every exact rule draws this token.
    return { accepted: 0, next: nextOfPass(warp, pass, text, () => coins.sample(start)) };
  }
  const target = lazyRows(
    logits.length,
    (place) => probabilitiesOf(warp, pass, place, () => [...text, ...tokens.slice(0, place)]),
  );
  const round: Round = { tokens, draft: probs, target };
  return verify(round, {
    accept: tokens.map((_, i) => coins.accept(start, start + i)),
    sample: logits.map((_, i) => coins.sample(start + i)),
  });
}

/** The verdict on drafted tokens where the target's next token is certain. */
function judgeCertain(
  only: NonNullable<Warp["only"]>,
  text: readonly TokenId[],
  tokens: readonly TokenId[],
  pass: PassRows,
): Verdict {
  for (let place = 0;; place++) {
    const next = onlyToken(only, pass, place, () => [...text, ...tokens.slice(0, place)]);
    if (tokens[place] !== next) return { accepted: place, next };
  }
}
