/**
 * Writes of any bytes, though a GPU takes whole words only.
 *
 * @module
 */

/** What is known of words that were written in part, by their byte offset. */
export type WordEdges = Map<number, Uint8Array<ArrayBuffer>>;

/** Whole words to write. */
export interface WordWrite {
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const WORD = 4;

function isPlain(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/**
 * The write widened to whole words. What earlier writes put into the words at its ends is put there
 * again; what nobody wrote becomes 0.
 */
export function paddedWrite(edges: WordEdges, bytes: Uint8Array, offset: number): WordWrite {
  const from = offset - offset % WORD;
  const to = Math.ceil((offset + bytes.length) / WORD) * WORD;
  if (to - from === bytes.length && edges.size === 0 && isPlain(bytes)) return { offset, bytes };
  const whole = new Uint8Array(to - from);
  const last = to - WORD;
  for (const place of [from, last]) whole.set(edges.get(place) ?? [], place - from);
  whole.set(bytes, offset - from);
  for (const place of [from, last]) {
    const isPart = place < offset || place + WORD > offset + bytes.length;
    if (isPart || edges.has(place)) {
      edges.set(place, whole.slice(place - from, place - from + WORD));
    }
  }
  return { offset: from, bytes: whole };
}
