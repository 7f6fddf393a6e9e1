/**
 * Packing: documents one after another into batches of a fixed number of rows.
 *
 * A row is one token with the token that follows it. Rows of different documents share a batch but
 * never see each other: `starts` says where each row's document begins. The order of documents is a
 * permutation per epoch, drawn from a key, so a batch is a function of the key and the position.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key, permutation } from "../core/random.ts";
import type { TokenDocument } from "./documents.ts";
import type { TeacherRow } from "./teacher_rows.ts";

/** Documents by number; `length` may be Infinity where they are made on demand. */
export interface Corpus {
  /** How many documents there are. */
  readonly length: number;
  /** Document `index`, always the same one. */
  readonly document: (index: number) => TokenDocument;
}

/** The arrays of a batch, `[rows]` each. */
export interface PackedBatch {
  /** Token ids; 0 in unused rows at the end. */
  readonly tokens: Int32Array;
  /** The ids of the tokens that follow; -1 where nothing is to be learnt. */
  readonly targets: Int32Array;
  /** How much each row's prediction counts; 0 where nothing is to be learnt. */
  readonly lossMask: Float32Array;
  /** The first row of each row's document in this batch: the first row that it sees. */
  readonly starts: Int32Array;
  /** Positions, from 0 in every document. */
  readonly positions: Int32Array;
  /** The teacher's distribution of the token after each row, where one is kept. */
  readonly teacher: readonly (TeacherRow | undefined)[];
  /** The target's features of each row, f32 `[width]`, where they are kept. */
  readonly features: readonly (Float32Array | undefined)[];
}

/** Where the next batch begins: a small JSON value for checkpoints. */
export interface BatchPosition {
  /** How many times the corpus has been gone through. */
  readonly epoch: number;
  /** How many documents of this epoch are done. */
  readonly index: number;
  /** How many rows of the next document are done, where it is cut into pieces. */
  readonly offset: number;
}

/** How to pack. */
export interface PackingOptions {
  /** What the order of documents is drawn from. */
  readonly key: Key;
  /** Rows of every batch, at least `sequenceLength`. */
  readonly rowsPerBatch: number;
  /** The most rows of one document that see each other: the model's context. */
  readonly sequenceLength: number;
}

/** Batches as an init/step pair. */
export interface Batches {
  /** The position before the first batch. */
  readonly init: () => BatchPosition;
  /** The batch at a position, and the position after it. */
  readonly step: (position: BatchPosition) => {
    readonly batch: PackedBatch;
    readonly position: BatchPosition;
  };
  /** The batch of a step counted from 0, for loops that know steps only; steps are best taken in order. */
  readonly at: (step: number) => PackedBatch;
}

/** A piece of a document that goes into one batch, and where it begins there. */
interface Placed {
  readonly document: TokenDocument;
  readonly offset: number;
  readonly rows: number;
  readonly at: number;
}

/** Documents of one row are skipped; this many in a row mean that the corpus has nothing else. */
const MAXIMUM_SKIPPED = 10_000;

/** The order of documents in an epoch; kept for the epoch last asked for. */
function epochOrder(key: Key, length: number): (epoch: number, index: number) => number {
  let kept: { readonly epoch: number; readonly order: Int32Array } | undefined;
  return (epoch, index) => {
    if (!Number.isFinite(length)) return index;
    if (kept?.epoch !== epoch) kept = { epoch, order: permutation(foldIn(key, epoch), length) };
    return kept.order[index];
  };
}

/** The rows a document takes: every token but the last, which is only a target. */
function rowsOf({ tokens }: TokenDocument): number {
  return tokens.length - 1;
}

function checkOptions(corpus: Corpus, { rowsPerBatch, sequenceLength }: PackingOptions): void {
  if (!Number.isSafeInteger(sequenceLength) || sequenceLength < 1) {
    throw new OutriderError("a sequence length of 1 or more", `${sequenceLength}`, "raise it");
  }
  if (!Number.isSafeInteger(rowsPerBatch) || rowsPerBatch < sequenceLength) {
    throw new OutriderError(
      `batches of at least ${sequenceLength} rows, the sequence length`,
      `${rowsPerBatch}`,
      "raise the rows per batch or lower the sequence length",
    );
  }
  if (!(corpus.length >= 1)) {
    throw new OutriderError("a corpus with documents", "none", "choose another corpus");
  }
}

/**
 * Batches of a corpus, shuffled anew in every epoch.
 *
 * A document that fits the sequence length is kept whole; a longer one is cut where the sequence or
 * the batch is full, and its pieces do not see each other. What is left of a batch stays unused.
 *
 * @example
 * ```ts
 * import { batches, responseDocument } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const corpus = { length: 1, document: () => responseDocument([5, 6], [7]) };
 * const { init, step } = batches(corpus, { key: [0, 1], rowsPerBatch: 5, sequenceLength: 4 });
 * const { batch } = step(init());
 * assertEquals([...batch.tokens], [5, 6, 5, 6, 0]);
 * assertEquals([...batch.targets], [-1, 7, -1, 7, -1]);
 * assertEquals([...batch.starts], [0, 0, 2, 2, 4]);
 * ```
 *
 * @throws OutriderError where the corpus is empty or the batch is smaller than a sequence
 */
export function batches(corpus: Corpus, options: PackingOptions): Batches {
  checkOptions(corpus, options);
  const { key, rowsPerBatch, sequenceLength } = options;
  const orderOf = epochOrder(key, corpus.length);

  /** The position behind some rows of a document, or behind all of it. */
  const after = (position: BatchPosition, rows: number | undefined): BatchPosition => {
    const { epoch, index, offset } = position;
    if (rows !== undefined) return { epoch, index, offset: offset + rows };
    return index + 1 < corpus.length
      ? { epoch, index: index + 1, offset: 0 }
      : { epoch: epoch + 1, index: 0, offset: 0 };
  };
  const place = (start: BatchPosition): { placed: Placed[]; position: BatchPosition } => {
    const placed: Placed[] = [];
    let position = start;
    let skipped = 0;
    for (let at = 0; at < rowsPerBatch;) {
      const document = corpus.document(orderOf(position.epoch, position.index));
      const left = rowsOf(document) - position.offset;
      const isCut = rowsOf(document) > sequenceLength;
      const rows = isCut ? Math.min(left, sequenceLength, rowsPerBatch - at) : left;
      if (rows > rowsPerBatch - at) break;
      if (rows > 0) placed.push({ document, offset: position.offset, rows, at });
      skipped = rows > 0 ? 0 : skipped + 1;
      if (skipped > MAXIMUM_SKIPPED) {
        throw new OutriderError("documents of two tokens or more", "none", "choose another corpus");
      }
      at += Math.max(0, rows);
      position = after(position, rows >= left ? undefined : rows);
    }
    return { placed, position };
  };
  const init = (): BatchPosition => ({ epoch: 0, index: 0, offset: 0 });
  const step = (position: BatchPosition): { batch: PackedBatch; position: BatchPosition } => {
    checkPosition(position, corpus.length);
    const made = place(position);
    return { batch: fillBatch(made.placed, rowsPerBatch), position: made.position };
  };
  let reached = { step: 0, position: init() };
  const at = (wanted: number): PackedBatch => {
    if (wanted < reached.step) reached = { step: 0, position: init() };
    while (reached.step < wanted) {
      reached = { step: reached.step + 1, position: place(reached.position).position };
    }
    const made = step(reached.position);
    reached = { step: wanted + 1, position: made.position };
    return made.batch;
  };
  return { init, step, at };
}

/** A position out of a file may be anything. */
function checkPosition({ epoch, index, offset }: BatchPosition, length: number): void {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (isCount(epoch) && isCount(index) && index < length && isCount(offset)) return;
  throw new OutriderError(
    `a position in a corpus of ${length} documents`,
    JSON.stringify({ epoch, index, offset }),
    "start again, or resume with the corpus of the first run",
  );
}

function fillBatch(placed: readonly Placed[], rowsPerBatch: number): PackedBatch {
  const teacher: (TeacherRow | undefined)[] = new Array(rowsPerBatch).fill(undefined);
  const features: (Float32Array | undefined)[] = new Array(rowsPerBatch).fill(undefined);
  const batch: PackedBatch = {
    teacher,
    features,
    tokens: new Int32Array(rowsPerBatch),
    targets: new Int32Array(rowsPerBatch).fill(-1),
    lossMask: new Float32Array(rowsPerBatch),
    starts: Int32Array.from({ length: rowsPerBatch }, (_, row) => row),
    positions: new Int32Array(rowsPerBatch),
  };
  for (const { document, offset, rows, at } of placed) {
    const { tokens, weights } = document;
    const known = document.teacher?.() ?? [];
    const untaught = tokens.length - known.length;
    document.features?.(offset, rows).forEach((row, i) => features[at + i] = row);
    for (let i = 0; i < rows; i++) {
      const weight = weights[offset + i + 1];
      batch.tokens[at + i] = tokens[offset + i];
      batch.targets[at + i] = weight === 0 ? -1 : tokens[offset + i + 1];
      batch.lossMask[at + i] = weight;
      batch.starts[at + i] = at;
      batch.positions[at + i] = i;
      const next = offset + i + 1;
      if (next >= untaught) teacher[at + i] = known[next - untaught];
    }
  }
  return batch;
}
