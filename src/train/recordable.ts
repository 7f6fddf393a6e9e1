/**
 * Speculative decoders whose proposals and verification passes can be recorded.
 *
 * @module
 */
import type { TeacherRow } from "../data/teacher_rows.ts";
import type { Decoder } from "../decode/decoder.ts";
import type { Draft } from "../decode/draft.ts";
import type { LanguageModel } from "../decode/language_model.ts";
import { type PassCache, rememberPass } from "../decode/remember_pass.ts";
import { speculative, type SpeculativeState } from "../decode/speculative.ts";
import { topTokens } from "../decode/top_tokens.ts";
import type { Verify } from "../decode/verify.ts";
import type { Warp } from "../decode/warp.ts";
import { type ProposalMemory, rememberProposal } from "./speculation_record.ts";

/** The parts of a {@link recordable} decoder, as those of `speculative`. */
export interface RecordableOptions<Cache, DraftState> {
  /** The model that decides. */
  readonly target: LanguageModel<Cache>;
  /** What runs ahead. */
  readonly draft: Draft<DraftState>;
  /** The rule that judges. */
  readonly verify: Verify;
  /** What shapes both models' distributions. */
  readonly warp: Warp;
  /** How many tokens are drafted at a time. */
  readonly gamma: number;
}

/** The state of a {@link recordable} decoder. */
export type RecordableState<Cache, DraftState> = SpeculativeState<
  PassCache<Cache>,
  ProposalMemory<DraftState>,
  null
>;

/**
 * A speculative decoder that says the same, with the last proposal and the logits of the last pass in
 * its state, where `recordSpeculation` and {@link likeliestOf} read them.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { draftModel, functionModel, temperature, verifyToken } from "@outrider/outrider/decode";
 * import { likeliestOf, recordable, recordSpeculation } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (text: readonly number[]) => [0, 1, 2].map((id) => id === text.length % 3 ? 9 : 0);
 * const target = functionModel({ vocabulary: 3, contextLength: 9, logits });
 * const draft = draftModel(target);
 * const decoder = recordable({ target, draft, verify: verifyToken, warp: temperature(0), gamma: 2 });
 * const options = { key: keyOf(1), tokens: 1, isEnd: () => false, teacherOf: likeliestOf(1) };
 * const { steps: [{ drafted, teacher = [] }] } = await recordSpeculation(decoder, [0], options);
 * assertEquals([drafted, teacher.map(({ tokens }) => tokens[0])], [[1, 2], [1, 2]]);
 * ```
 */
export function recordable<Cache, DraftState>(
  options: RecordableOptions<Cache, DraftState>,
): Decoder<RecordableState<Cache, DraftState>> {
  return speculative<PassCache<Cache>, ProposalMemory<DraftState>>({
    ...options,
    target: rememberPass(options.target),
    draft: rememberProposal(options.draft),
  });
}

/** Reads the target's `count` likeliest tokens in the place of every drafted token of the last step. */
export function likeliestOf(
  count: number,
): (
  state: { readonly cache: Pick<PassCache<unknown>, "logits"> },
  drafted: number,
) => readonly TeacherRow[] {
  return ({ cache }, drafted) => cache.logits.slice(0, drafted).map((row) => topTokens(row, count));
}
