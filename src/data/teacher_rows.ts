/**
 * A teacher's distributions, cached: the most probable tokens of each row and their log
 * probabilities, 4 bytes a token where the vocabulary has no more than 65,536.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/** The most probable tokens of one distribution; what they lack to 1 is the tail's mass. */
export interface TeacherRow {
  /** Token ids, `[k]`, the most probable first. */
  readonly tokens: Int32Array;
  /** Their natural log probabilities at temperature 1, `[k]`. */
  readonly logProbs: Float32Array;
}

/** How rows are laid out in a file. */
export interface TeacherLayout {
  /** Tokens kept of each row. */
  readonly kept: number;
  /** The teacher's vocabulary, which decides how many bytes an id takes. */
  readonly vocabulary: number;
}

/** Steps of a stored log probability in one nat: an error of at most .00025. */
const STEPS_PER_NAT = 2048;
/** The least log probability is that of 2^16 - 1 steps, e^-32. */
const MOST_STEPS = 2 ** 16 - 1;
const LOG_PROB_BYTES = 2;

function idBytes({ vocabulary }: TeacherLayout): number {
  return vocabulary <= 2 ** 16 ? 2 : 4;
}

/** Bytes that a row takes in a file. */
export function teacherRowBytes(layout: TeacherLayout): number {
  return layout.kept * (idBytes(layout) + LOG_PROB_BYTES);
}

/**
 * Rows as bytes: all ids of a row, then all its log probabilities, little-endian.
 *
 * @throws OutriderError where a row has not as many tokens as the layout keeps
 * @example
 * ```ts
 * import { decodeTeacherRows, encodeTeacherRows } from "@outrider/outrider/data";
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 *
 * const row = { tokens: Int32Array.of(7, 3), logProbs: Float32Array.of(-0.5, -1.25) };
 * const layout = { kept: 2, vocabulary: 512 };
 * const bytes = encodeTeacherRows([row], layout);
 * const [again] = decodeTeacherRows(bytes, layout);
 * assertEquals([bytes.length, ...again.tokens], [8, 7, 3]);
 * assertAlmostEquals(again.logProbs[1], -1.25, 1e-3);
 * ```
 */
export function encodeTeacherRows(rows: readonly TeacherRow[], layout: TeacherLayout): Uint8Array {
  const { kept } = layout;
  const width = idBytes(layout);
  const size = teacherRowBytes(layout);
  const view = new DataView(new ArrayBuffer(rows.length * size));
  rows.forEach(({ tokens, logProbs }, row) => {
    if (tokens.length !== kept || logProbs.length !== kept) {
      throw new OutriderError(`${kept} tokens a row`, `${tokens.length}`, "cache as many of each");
    }
    const ids = row * size;
    const values = ids + kept * width;
    for (let i = 0; i < kept; i++) {
      if (width === 2) view.setUint16(ids + 2 * i, tokens[i], true);
      else view.setUint32(ids + 4 * i, tokens[i], true);
      const steps = Math.min(MOST_STEPS, Math.max(0, Math.round(-logProbs[i] * STEPS_PER_NAT)));
      view.setUint16(values + LOG_PROB_BYTES * i, steps, true);
    }
  });
  return new Uint8Array(view.buffer);
}

/** The rows that {@link encodeTeacherRows} wrote. */
export function decodeTeacherRows(bytes: Uint8Array, layout: TeacherLayout): TeacherRow[] {
  const { kept } = layout;
  const width = idBytes(layout);
  const size = teacherRowBytes(layout);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, row) => {
    const ids = row * size;
    const values = ids + kept * width;
    const tokens = new Int32Array(kept);
    const logProbs = new Float32Array(kept);
    for (let i = 0; i < kept; i++) {
      tokens[i] = width === 2
        ? view.getUint16(ids + 2 * i, true)
        : view.getUint32(ids + 4 * i, true);
      logProbs[i] = -view.getUint16(values + LOG_PROB_BYTES * i, true) / STEPS_PER_NAT;
    }
    return { tokens, logProbs };
  });
}
