/** Attention by parts in plain loops and doubles: what its two kernel families mean. */
import {
  ATTENTION_PART,
  attentionParts,
  attentionRecord,
} from "../../src/core/attention_layout.ts";
import type { AttentionPartsSpec } from "../../src/plan/kernel_spec.ts";

type Sizes = Omit<AttentionPartsSpec, "family">;

/** The slots that a row sees in each of its parts. */
function partsOfRow(
  spec: Sizes,
  row: number,
  [start, end, extra]: readonly Int32Array[],
): number[][] {
  const length = Math.max(0, end[row] - start[row]);
  const window = Array.from({ length }, (_, i) => start[row] + i);
  const extras = spec.extras === 0
    ? []
    : extra.subarray(row * spec.extras, (row + 1) * spec.extras).filter((slot) => slot >= 0);
  const slots = [...window, ...extras];
  const parts = Math.ceil(slots.length / ATTENTION_PART);
  return Array.from(
    { length: parts },
    (_, p) => slots.slice(p * ATTENTION_PART, (p + 1) * ATTENTION_PART),
  );
}

function recordPlace(spec: Sizes, part: number, row: number, head: number): number {
  return ((part * spec.rows + row) * spec.heads + head) * attentionRecord(spec);
}

/** Writes the records of all parts. */
export function runAttentionParts(
  spec: Sizes,
  [query, key, value]: readonly Float32Array[],
  seen: readonly Int32Array[],
  out: Float32Array,
): void {
  const { rows, heads, keyValueHeads, headWidth, scale } = spec;
  for (let row = 0; row < rows; row++) {
    partsOfRow(spec, row, seen).forEach((slots, part) => {
      for (let head = 0; head < heads; head++) {
        const group = Math.floor(head / (heads / keyValueHeads));
        const from = slots.map((slot) => (slot * keyValueHeads + group) * headWidth);
        const q = query.subarray((row * heads + head) * headWidth).subarray(0, headWidth);
        const scores = from.map((at) => scale * q.reduce((sum, x, d) => sum + x * key[at + d], 0));
        const largest = Math.max(...scores);
        const grown = scores.map((score) => Math.exp(score - largest));
        const place = recordPlace(spec, part, row, head);
        for (let d = 0; d < headWidth; d++) {
          out[place + d] = grown.reduce((sum, weight, i) => sum + weight * value[from[i] + d], 0);
        }
        const end = place + attentionRecord(spec);
        out.fill(largest, end - 8, end - 4);
        out.fill(grown.reduce((sum, weight) => sum + weight, 0), end - 4, end);
      }
    });
  }
}

/** Joins the records of every row and head. */
export function runAttentionJoin(
  spec: Sizes,
  records: Float32Array,
  seen: readonly Int32Array[],
  out: Float32Array,
): void {
  const { rows, heads, headWidth } = spec;
  for (let row = 0; row < rows; row++) {
    const count = Math.min(attentionParts(spec), partsOfRow(spec, row, seen).length);
    for (let head = 0; head < heads; head++) {
      const parts = Array.from({ length: count }, (_, part) => {
        const place = recordPlace(spec, part, row, head);
        return records.subarray(place, place + attentionRecord(spec));
      });
      const largest = Math.max(...parts.map((part) => part[part.length - 8]));
      const factors = parts.map((part) => Math.exp(part[part.length - 8] - largest));
      const total = parts.reduce((sum, part, i) => sum + part[part.length - 4] * factors[i], 0);
      for (let d = 0; d < headWidth; d++) {
        const sums = parts.reduce((sum, part, i) => sum + part[d] * factors[i], 0);
        out[(row * heads + head) * headWidth + d] = count === 0 ? 0 : sums / total;
      }
    }
  }
}

/** Attention as a whole, with the bits that it has by parts. */
export function runAttention(
  spec: Sizes,
  operands: readonly Float32Array[],
  seen: readonly Int32Array[],
  out: Float32Array,
): void {
  const size = attentionParts(spec) * spec.rows * spec.heads * attentionRecord(spec);
  const records = new Float32Array(size);
  runAttentionParts(spec, operands, seen, records);
  runAttentionJoin(spec, records, seen, out);
}
