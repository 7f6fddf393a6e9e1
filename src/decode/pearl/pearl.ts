/**
 * The PEARL decoder: the draft writes the next block while the target judges the last one.
 *
 * @module
 */
import type { Key } from "../../core/random.ts";
import type { Decoder, Step } from "../decoder.ts";
import { type DraftLength, fixedLength } from "../draft_length.ts";
import { draftedDecoder, type Held } from "../drafted_decoder.ts";
import type { TokenId } from "../language_model.ts";
import {
  checkPrompt,
  extendText,
  isFull,
  machineClock,
  readPrompt,
  type TextState,
} from "../text_state.ts";
import { both } from "./both.ts";
import { judgeAhead } from "./judge.ts";
import { type PearlOptions, runBoth } from "./run_both.ts";
import { type DraftedToken, judgedTokens, settleAhead } from "./transition.ts";

/** The state of a {@link pearl} decoder. The target's cache holds the text but its last token. */
export interface PearlState<Cache, DraftState, LengthState> extends TextState<Cache> {
  /** The drafter's state, which has seen the pending tokens as well. */
  readonly draft: DraftState;
  /** Drafted tokens behind the text that the target has not judged. */
  readonly pending: readonly DraftedToken[];
  /** The state of the rule for the draft's length. */
  readonly length: LengthState;
}

/**
 * Decoding that drafts and verifies at the same time (Liu et al. 2025, arXiv 2408.11850): each step
 * runs a target pass over what was drafted in the last one and, at the same time, drafts on behind it.
 *
 * It emits the target's processed distribution exactly, and greedy text equals plain greedy text.
 * Coins belong to absolute positions, and every position is judged once: with a draft model the text
 * of a key is the same for every `gamma` from 1 on, so that a rule may choose it by what the clock says and the
 * text is the same still.
 *
 * `gamma` is the number of tokens to draft during a target pass, best near the ratio of both models'
 * times (`pearlLength`), or a rule such as `balancedLength`. There is something to gain where both
 * models run at once, on two devices or by `workerModel`; elsewhere it is right, and slow.
 *
 * In reports a drafted token is counted by the step that decides on it, and time in which both models
 * run is the draft's: the target's seconds are those that it was waited for. Errors are those of
 * `speculative`.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { draftModel, functionModel, generate, pearl, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const target = functionModel({ vocabulary: 3, contextLength: 9, logits });
 * const decoder = pearl({ target, draft: draftModel(target), warp: temperature(0), gamma: 3 });
 * const { tokens, reports } = await generate(decoder, [0], { key: keyOf(1) });
 * assertEquals(tokens, [1, 2, 0, 1, 2, 0, 1, 2, 0]);
 * assertEquals(reports.map(({ emitted }) => emitted), [1, 3, 3, 2]);
 * ```
 */
export function pearl<Cache, DraftState>(
  options: PearlOptions<Cache, DraftState> & { readonly gamma: number },
): Decoder<PearlState<Cache, DraftState, null>>;
/** The same with a rule for the number of tokens to draft. */
export function pearl<Cache, DraftState, LengthState>(
  options: PearlOptions<Cache, DraftState> & { readonly gamma: DraftLength<LengthState> },
): Decoder<PearlState<Cache, DraftState, LengthState>>;
export function pearl<Cache, DraftState, LengthState>(
  options: PearlOptions<Cache, DraftState> & {
    readonly gamma: number | DraftLength<LengthState>;
  },
):
  | Decoder<PearlState<Cache, DraftState, null>>
  | Decoder<PearlState<Cache, DraftState, LengthState>> {
  const { gamma } = options;
  return typeof gamma === "number"
    ? decoderOf(options, fixedLength(gamma))
    : decoderOf(options, gamma);
}

function decoderOf<Cache, DraftState, LengthState>(
  options: PearlOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
): Decoder<PearlState<Cache, DraftState, LengthState>> {
  return draftedDecoder(options, {
    init: (prompt, key) => initialState(options, rule, prompt, key),
    step: (state: PearlState<Cache, DraftState, LengthState>, held) =>
      iterate(options, rule, state, held),
  });
}

/** Both models read the prompt at the same time. */
async function initialState<Cache, DraftState, LengthState>(
  { target, draft, now = machineClock }: PearlOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
  prompt: readonly TokenId[],
  key: Key,
): Promise<PearlState<Cache, DraftState, LengthState>> {
  checkPrompt(target, prompt);
  const start = now();
  const seen = rule.isPlain === true ? prompt.slice(0, 1) : prompt;
  const opened: (() => void)[] = [];
  try {
    const [text, drafter] = await both(async () => {
      const read = await readPrompt(target, prompt, key, now);
      opened.push(() => target.close(read.cache));
      return read;
    }, async () => {
      const state = await draft.init(seen);
      opened.push(() => draft.close(state));
      return state;
    });
    const prefillSeconds = now() - start;
    return { ...text, prefillSeconds, draft: drafter, pending: [], length: rule.init() };
  } catch (error) {
    for (const close of opened) close();
    throw error;
  }
}

async function iterate<Cache, DraftState, LengthState>(
  options: PearlOptions<Cache, DraftState>,
  rule: DraftLength<LengthState>,
  state: PearlState<Cache, DraftState, LengthState>,
  held: Held<Cache, DraftState>,
): Promise<Step<PearlState<Cache, DraftState, LengthState>>> {
  const { target, draft, now = machineClock } = options;
  const started = now();
  const gamma = rule.gamma(state.length);
  const { logits, drafted, draftedAt } = await runBoth(options, state, held, gamma);
  const passed = now();
  const judged = judgedTokens(state, drafted, logits.length);
  const verdict = judgeAhead(options, state, judged, logits);
  const { state: next, emitted, keep } = settleAhead(state, drafted, verdict);
  const verified = now();
  if (keep !== undefined) {
    held.draft = draft.commit(held.draft, keep);
    if (target.lengthOf(held.cache) > keep) held.cache = target.truncate(held.cache, keep);
  }
  const committed = now();
  const extended = extendText(state, emitted, held.cache);
  const seconds = {
    prefill: state.prefillSeconds,
    draft: draftedAt - started + committed - verified,
    target: passed - draftedAt,
    verify: verified - passed,
    host: now() - committed,
  };
  const decided = state.pending.length + drafted.length - next.pending.length;
  const { accepted } = verdict;
  const report = { drafted: decided, accepted, emitted: emitted.length, seconds };
  const { pending } = next;
  return {
    state: { ...extended, draft: held.draft, pending, length: rule.step(state.length, report) },
    tokens: emitted,
    report,
    finish: isFull(target, extended) ? "context" : undefined,
  };
}
