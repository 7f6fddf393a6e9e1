/**
 * Records of speculative decoding: what the draft proposed, what stood, and what the target said
 * instead. On-policy training learns from them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { Key } from "../core/random.ts";
import type { TeacherRow } from "../data/teacher_rows.ts";
import type { Decoder } from "../decode/decoder.ts";
import type { Draft } from "../decode/draft.ts";
import type { TokenId } from "../decode/language_model.ts";

/** One target pass. */
export interface SpeculationStep {
  /** The tokens that the draft proposed, `[count]`, none or more. */
  readonly drafted: readonly TokenId[];
  /** How many of them stand. */
  readonly accepted: number;
  /** The target's own token behind these; left out where a drafted token has ended the text. */
  readonly next?: TokenId;
  /** The target's distributions in the places of the drafted tokens, `[count]`, where kept. */
  readonly teacher?: readonly TeacherRow[];
}

/** A text and the proposals on the way. */
export interface SpeculationRecord {
  /** What the text began with, at least one token. */
  readonly prompt: readonly TokenId[];
  /** All target passes in order. */
  readonly steps: readonly SpeculationStep[];
}

/** A drafter's state beside what it proposed last. */
export interface ProposalMemory<State> {
  /** The drafter's own state. */
  readonly inner: State;
  /** The tokens of the last proposal; none before the first. */
  readonly proposed: readonly TokenId[];
}

/**
 * The same drafter, with its last proposal in its state, where {@link recordSpeculation} reads it.
 *
 * @example
 * ```ts
 * import { draftPromptLookup, temperature } from "@outrider/outrider/decode";
 * import { rememberProposal } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const draft = rememberProposal(draftPromptLookup());
 * const context = [1, 2, 3, 4, 1, 2, 3];
 * const request = { context, gamma: 2, vocabulary: 9, warp: temperature(1), coin: () => 0 };
 * const { state } = await draft.propose(await draft.init(context), request);
 * assertEquals(state.proposed, [4, 1]);
 * draft.close(state);
 * ```
 */
export function rememberProposal<State>(draft: Draft<State>): Draft<ProposalMemory<State>> {
  const { guess } = draft;
  return {
    init: async (prompt) => ({ inner: await draft.init(prompt), proposed: [] }),
    propose: async ({ inner }, request) => {
      const proposal = await draft.propose(inner, request);
      return { ...proposal, state: { inner: proposal.state, proposed: proposal.tokens } };
    },
    ...(guess === undefined ? {} : { guess: ({ inner }, context) => guess(inner, context) }),
    commit: ({ inner, proposed }, length) => ({ inner: draft.commit(inner, length), proposed }),
    close: ({ inner }) => draft.close(inner),
  };
}

/** How long to record, and what. */
export interface RecordOptions<State = unknown> {
  /** What all coins are drawn from. */
  readonly key: Key;
  /** After how many new tokens to stop, from 1; the last step may bring a few more. */
  readonly tokens: number;
  /** Whether a token ends the text, such as the end of a turn. */
  readonly isEnd: (token: TokenId) => boolean;
  /** Ends the recording with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The target's distributions in the places of the drafted tokens of the last step, to be kept. */
  readonly teacherOf?: (state: State, drafted: number) => readonly TeacherRow[];
}

/**
 * Decodes after a prompt and records every proposal.
 *
 * The text and what was drafted beyond it stop at the first token that ends a text. The decoder is a
 * speculative one whose drafter is wrapped by {@link rememberProposal}.
 *
 * @throws {OutriderError} where no token is wanted, and whatever the decoder throws
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import * as decode from "@outrider/outrider/decode";
 * import { recordSpeculation, rememberProposal } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const says = (word: (length: number) => number) =>
 *   decode.functionModel({
 *     vocabulary: 3,
 *     contextLength: 9,
 *     logits: (prefix) => [0, 1, 2].map((id) => id === word(prefix.length) ? 9 : 0),
 *   });
 * const target = says((length) => length % 3);
 * const draft = rememberProposal(decode.draftModel(says((length) => length < 3 ? length : 0)));
 * const { verifyToken: verify, temperature } = decode;
 * const decoder = decode.speculative({ target, draft, verify, warp: temperature(0), gamma: 3 });
 * const options = { key: keyOf(1), tokens: 4, isEnd: () => false };
 * assertEquals((await recordSpeculation(decoder, [0], options)).steps, [
 *   { drafted: [1, 2, 0], accepted: 3, next: 1 },
 * ]);
 * ```
 */
export async function recordSpeculation<State extends { readonly draft: ProposalMemory<unknown> }>(
  decoder: Decoder<State>,
  prompt: readonly TokenId[],
  { key, tokens, isEnd, signal, teacherOf }: RecordOptions<State>,
): Promise<SpeculationRecord> {
  if (!(tokens >= 1)) {
    throw new OutriderError("1 token or more to record", `${tokens}`, "ask for at least one");
  }
  const steps: SpeculationStep[] = [];
  let state = await decoder.init(prompt, key);
  try {
    for (let count = 0; count < tokens;) {
      signal?.throwIfAborted();
      const { state: next, tokens: said, report, finish } = await decoder.step(state);
      state = next;
      const drafted = report.drafted === 0 ? [] : state.draft.proposed;
      const teacher = teacherOf === undefined ? {} : { teacher: teacherOf(state, drafted.length) };
      const { accepted } = report;
      steps.push(cutAtEnd({ drafted, accepted, next: said[accepted], ...teacher }, isEnd));
      if (finish !== undefined || said.some(isEnd)) break;
      count += said.length;
    }
    return { prompt: [...prompt], steps };
  } finally {
    decoder.close(state);
  }
}

/** A step without what was drafted or said behind a token that ends a text. */
function cutAtEnd(step: SpeculationStep, isEnd: (token: TokenId) => boolean): SpeculationStep {
  const end = step.drafted.findIndex(isEnd);
  if (end < 0) return step;
  const drafted = step.drafted.slice(0, end + 1);
  const kept = step.teacher === undefined ? {} : { teacher: step.teacher.slice(0, end + 1) };
  if (end >= step.accepted) return { ...step, drafted, ...kept };
  return { drafted, accepted: drafted.length, ...kept };
}

/**
 * The text of a record: the prompt, the drafted tokens that stand, and the target's own.
 *
 * @throws {OutriderError} where a step cannot have been one
 *
 * @example
 * ```ts
 * import { recordedText } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = [{ drafted: [5, 6, 7], accepted: 1, next: 8 }, { drafted: [], accepted: 0, next: 9 }];
 * assertEquals(recordedText({ prompt: [3, 4], steps }), [3, 4, 5, 8, 9]);
 * ```
 */
export function recordedText({ prompt, steps }: SpeculationRecord): readonly TokenId[] {
  if (prompt.length === 0) {
    throw new OutriderError("a record with a prompt", "none", "begin with one token or more");
  }
  const text = [...prompt];
  steps.forEach(({ drafted, accepted, next }, index) => {
    const isWhole = Number.isInteger(accepted) && accepted >= 0 && accepted <= drafted.length;
    const goesOn = next !== undefined || index === steps.length - 1 && accepted === drafted.length;
    if (!isWhole || !goesOn) {
      throw new OutriderError(
        "a step of which 0 to all drafted tokens stand, with the target's token behind them",
        `${accepted} of ${drafted.length}, ${next === undefined ? "no token" : "one"} behind them`,
        "correct the record; only the last step may end with a drafted token",
      );
    }
    text.push(...drafted.slice(0, accepted), ...(next === undefined ? [] : [next]));
  });
  return text;
}
