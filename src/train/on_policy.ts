/**
 * On-policy rows: what a draft proposed in speculative decoding, as rows for `onPolicyCorrection`
 * (Draft-OPD, arXiv 2605.29343). A rejected suffix is scored where the draft wrote it: behind its own
 * rejected tokens.
 *
 * Every drafted token has one row, the row it was to follow. Accepted tokens and the first rejected
 * one follow the text itself, so their rows are the text's. What came behind a rejected token gets
 * rows of its own, and the two layouts differ in how these see the text before them:
 *
 * - {@link suffixesApart}: each is a document with the text before it once more, as rows that count for
 *   nothing. It needs no more than the rows of any training batch have.
 * - {@link suffixesAsBranches}: they see the text's own rows, as the rows of a token tree do. No row
 *   exists twice, so a text of hundreds of tokens costs a tenth or less; the logits are the same.
 *
 * @module
 */
import type { TeacherRow } from "../data/teacher_rows.ts";
import type { TokenId } from "../decode/language_model.ts";
import { recordedText, type SpeculationRecord } from "./speculation_record.ts";

/** One row: a token and what follows from it. */
export interface OnPolicyRow {
  /** The token. */
  readonly token: TokenId;
  /** The token's position in its text. */
  readonly position: number;
  /** The token that the draft proposed to follow; undefined where it proposed none. */
  readonly drafted?: TokenId;
  /** For a drafted token that was not accepted: 0 if it was rejected itself, 1, 2, ... behind one. */
  readonly rejectedDepth?: number;
  /** The target's distribution in the place of the drafted token, where it was kept. */
  readonly teacher?: TeacherRow;
  /** It sees the rows of its piece before this one, ... */
  readonly end: number;
  /** ... and these, itself among them unless it is before `end`. */
  readonly branch: readonly number[];
}

/** Rows that see one another: they go into one batch. */
export type OnPolicyPiece = readonly OnPolicyRow[];

/** How the rows of a record are laid out. */
export type OnPolicyLayout = (record: SpeculationRecord) => readonly OnPolicyPiece[];

/** What the draft went on with where the target said something else. */
interface RejectedSuffix {
  /** How many tokens of the text stand before it. */
  readonly context: number;
  /** The rejected token and those behind it. */
  readonly tokens: readonly TokenId[];
  /** The target's distributions in their places, where they were kept. */
  readonly teacher: readonly TeacherRow[];
}

function rejectedSuffixes({ prompt, steps }: SpeculationRecord): readonly RejectedSuffix[] {
  let context = prompt.length;
  return steps.map(({ drafted, accepted, teacher = [] }) => {
    const suffix = {
      context: context + accepted,
      tokens: drafted.slice(accepted),
      teacher: teacher.slice(accepted),
    };
    context += accepted + 1;
    return suffix;
  });
}

function contextRow(token: TokenId, position: number): OnPolicyRow {
  return { token, position, end: position + 1, branch: [] };
}

const taught = (teacher: TeacherRow | undefined) => teacher === undefined ? {} : { teacher };

/** The text's rows, all but the last token, with what was proposed to follow them. */
function textRows(record: SpeculationRecord, text: readonly TokenId[]): OnPolicyRow[] {
  const rows = text.slice(0, -1).map(contextRow);
  let row = record.prompt.length - 1;
  for (const { drafted, accepted, teacher = [] } of record.steps) {
    drafted.slice(0, accepted + 1).forEach((token, step) => {
      const kind = step < accepted ? {} : { rejectedDepth: 0 };
      rows[row + step] = { ...rows[row + step], drafted: token, ...kind, ...taught(teacher[step]) };
    });
    row += accepted + 1;
  }
  return rows;
}

/** The rows of the rejected tokens that others were drafted behind; the first will be row `at`. */
function suffixRows(
  { context, tokens, teacher }: RejectedSuffix,
  at: number,
  seen: (row: number) => Pick<OnPolicyRow, "end" | "branch">,
): OnPolicyRow[] {
  return tokens.slice(0, -1).map((token, i) => ({
    token,
    position: context + i,
    drafted: tokens[i + 1],
    rejectedDepth: i + 1,
    ...taught(teacher[i + 1]),
    ...seen(at + i),
  }));
}

/**
 * The text as one piece, and each rejected suffix of two tokens or more as a piece behind its context.
 *
 * @throws {OutriderError} where the record cannot have been one
 *
 * @example
 * ```ts
 * import { suffixesApart } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * // The draft said 5 6 7 after 3 4; the target let the 5 stand and said 8.
 * const record = { prompt: [3, 4], steps: [{ drafted: [5, 6, 7], accepted: 1, next: 8 }] };
 * const [text, suffix] = suffixesApart(record);
 * assertEquals(text.map(({ token, drafted }) => [token, drafted]), [[3, undefined], [4, 5], [5, 6]]);
 * assertEquals(suffix.map(({ token }) => token), [3, 4, 5, 6]);
 * assertEquals(suffix.map(({ drafted }) => drafted), [undefined, undefined, undefined, 7]);
 * ```
 */
export function suffixesApart(record: SpeculationRecord): readonly OnPolicyPiece[] {
  const text = recordedText(record);
  const apart = rejectedSuffixes(record).filter(({ tokens }) => tokens.length > 1).map((suffix) => [
    ...text.slice(0, suffix.context).map(contextRow),
    ...suffixRows(suffix, suffix.context, (row) => ({ end: row + 1, branch: [] })),
  ]);
  return [textRows(record, text), ...apart];
}

/**
 * The text and, behind it, the rejected suffixes as branches of it: one piece.
 *
 * @throws {OutriderError} where the record cannot have been one
 *
 * @example
 * ```ts
 * import { suffixesAsBranches } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const record = { prompt: [3, 4], steps: [{ drafted: [5, 6, 7], accepted: 0, next: 8 }] };
 * const [rows] = suffixesAsBranches(record);
 * assertEquals(rows.map(({ token }) => token), [3, 4, 5, 6]); // 8 would be the row of a next step
 * assertEquals(rows[3], {
 *   token: 6,
 *   position: 3,
 *   drafted: 7,
 *   rejectedDepth: 2,
 *   end: 2, // 3 4
 *   branch: [2, 3], // 5 6
 * });
 * ```
 */
export function suffixesAsBranches(record: SpeculationRecord): readonly OnPolicyPiece[] {
  const rows = textRows(record, recordedText(record));
  for (const suffix of rejectedSuffixes(record)) {
    const first = rows.length;
    const seen = (row: number) => ({
      end: suffix.context,
      branch: Array.from({ length: row - first + 1 }, (_, i) => first + i),
    });
    rows.push(...suffixRows(suffix, first, seen));
  }
  return [rows];
}
