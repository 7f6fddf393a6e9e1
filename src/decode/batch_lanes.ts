/**
 * The lanes of a batch: which sequence is at work in which slots of the cache, and the rows that the
 * next pass reads of each.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { Key } from "../core/random.ts";
import type { TokenId } from "./language_model.ts";
import { paddedBatchRows, type Row } from "./llama_passes.ts";
import type { TopTokens } from "./top_tokens.ts";
import type { Warp } from "./warp.ts";

/** One text to write. */
export interface BatchRequest {
  /** Tokens to go on from; at least one. */
  readonly prompt: readonly TokenId[];
  /** How logits become the distribution to draw from. */
  readonly warp: Warp;
  /** Decides the coins of this text alone. */
  readonly key: Key;
  /** Most tokens to write. */
  readonly maximumTokens: number;
}

/** A sequence at work: it owns the slots from `lane * length` on. */
export interface Work<Request extends BatchRequest> {
  readonly request: Request;
  readonly text: TokenId[];
  readonly top: TopTokens[];
  /** Rows of the text that are in the cache. */
  cached: number;
}

/** Rows of a pass: what prompts may fill up beside the sequences that write. */
const PASS_ROWS = 64;

function rowsOf<Request extends BatchRequest>(
  { text, cached }: Work<Request>,
  lane: number,
  length: number,
  most: number,
): Row[] {
  const base = lane * length;
  return text.slice(cached, cached + most).map((token, i) => {
    const position = cached + i;
    const slot = base + position;
    return { token, position, slot, start: base, end: slot + 1 };
  });
}

/**
 * Gives every free lane the next request. What its prompt has in common with the text before, whose
 * rows are still there, is not computed again: chat prompts begin alike.
 *
 * @param held the text whose rows each free lane's slots hold
 */
export function fillLanes<Request extends BatchRequest>(
  lanes: (Work<Request> | undefined)[],
  held: readonly (readonly TokenId[])[],
  waiting: Iterator<Request>,
  length: number,
): void {
  for (const [lane, work] of lanes.entries()) {
    if (work !== undefined) continue;
    const next = waiting.next();
    if (next.done === true) return;
    const { prompt } = next.value;
    if (prompt.length === 0 || prompt.length >= length) {
      throw new OutriderError(
        `prompts of 1 to ${length - 1} tokens`,
        `one of ${prompt.length}`,
        "leave it out, or raise the length",
      );
    }
    // The last row is computed in any case: its logits are wanted.
    const cached = Math.min(commonLength(held[lane], prompt), prompt.length - 1);
    lanes[lane] = { request: next.value, text: [...prompt], top: [], cached };
  }
}

/** How many tokens two texts begin with alike. */
function commonLength(a: readonly TokenId[], b: readonly TokenId[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

/** One pass: the rows of all lanes, the sequences that it brings to a new token, and their places. */
export interface BatchPass<Request extends BatchRequest> {
  readonly rows: readonly Row[];
  readonly ready: readonly Work<Request>[];
  readonly places: readonly number[];
}

/**
 * Every sequence that writes adds its one row, and prompts share what is left of the pass, so that
 * passes are alike in size and little of them is padding.
 */
export function nextPass<Request extends BatchRequest>(
  lanes: readonly (Work<Request> | undefined)[],
  length: number,
): BatchPass<Request> {
  const rows: Row[] = [];
  const ready: Work<Request>[] = [];
  const places: number[] = [];
  const writing = lanes.filter((work) => work !== undefined && leftOf(work) === 1).length;
  let room = Math.max(PASS_ROWS - writing, 1);
  lanes.forEach((work, lane) => {
    if (work === undefined) return;
    const isWriting = leftOf(work) === 1;
    const own = rowsOf(work, lane, length, isWriting ? 1 : room);
    if (!isWriting) room -= own.length;
    rows.push(...own);
    work.cached += own.length;
    if (own.length === 0 || work.cached < work.text.length) return;
    ready.push(work);
    places.push(rows.length - 1);
  });
  return { rows, ready, places };
}

/** Rows of a text that are not in the cache yet. */
function leftOf<Request extends BatchRequest>({ text, cached }: Work<Request>): number {
  return text.length - cached;
}

/** Places of rows as an index array of one of few lengths; -1 is no row. */
export function paddedPlaces(places: readonly number[]): Int32Array {
  const padded = new Int32Array(paddedBatchRows(Math.max(1, places.length))).fill(-1);
  padded.set(places);
  return padded;
}
