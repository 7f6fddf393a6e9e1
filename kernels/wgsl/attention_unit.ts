/**
 * The unit of attention's kernels: one row, with query heads that read the same key/value head, over
 * parts of the row's entries.
 *
 * Scores are one chain per entry, over the elements of a head in stored order. A lane has the entries
 * lane, lane + 64, ... of a part; maxima and sums over a part go lane by lane in order and then over
 * lanes as `foldLanes` has them. `attention_sums.ts` has the order of the sums of values.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import {
  type AttentionSizes,
  elementsOfWord,
  headWords,
  lines,
  loadWord,
  numbers,
  slotWords,
  wordsPerLane,
  wordValues,
} from "./attention_rows.ts";
import { foldLanes, larger, LOWEST, sum } from "./attention_softmax.ts";
import { floatText } from "./literals.ts";
import { LANES, type Operand, type PartFrame } from "./shader.ts";

/** Sums that a lane keeps: what registers hold well. */
const MOST_SUMS = 8;
/** Entries whose scores a lane finds together where there are enough. */
const ENTRIES_TOGETHER = 4;
/** Words that loops take at a time. */
const UNROLLED = 4;

/** Query heads that are taken together: keys and values are read once for all of them. */
export function headsTogether(spec: AttentionSizes): number {
  const group = spec.heads / spec.keyValueHeads;
  const most = Math.max(1, Math.floor(MOST_SUMS / wordsPerLane(spec)));
  return Math.max(...numbers(group + 1).filter((n) => n > 0 && n <= most && group % n === 0), 1);
}

/** Units of one row. */
export function unitsOfRow(spec: AttentionSizes): number {
  return spec.heads / headsTogether(spec);
}

/** Entries of the longest part. */
export function partEntries({ slots, extras }: AttentionSizes): number {
  return Math.min(ATTENTION_PART, Math.max(1, slots + extras));
}

/** Statements that name the unit `unit` (u32): its `row`, first query head and key/value head. */
export function unitOfRow(spec: AttentionSizes, unit: string): string {
  return `let row = ${unit} / ${unitsOfRow(spec)}u;
let head = ${unit} % ${unitsOfRow(spec)}u * ${headsTogether(spec)}u;
let shared_head = head / ${spec.heads / spec.keyValueHeads}u;`;
}

/** Declares an f32 array in workgroup memory. */
export function workgroupArray({ prefix }: PartFrame, name: string, size: number): string {
  return `var<workgroup> ${prefix}${name}: array<f32, ${Math.max(1, size)}>;`;
}

/** Elements of the heads that are taken together. */
export function headElements(spec: AttentionSizes): number {
  return headsTogether(spec) * spec.headWidth;
}

/** Elements of an array with the entries of a part for each of those heads. */
export function entryElements(spec: AttentionSizes): number {
  return headsTogether(spec) * partEntries(spec);
}

/** Fills a workgroup array with the unit's heads of [rows, heads, headWidth]; a barrier has to follow. */
export function loadHeads(
  { prefix }: PartFrame,
  spec: AttentionSizes,
  operand: Operand,
  name: string,
): string {
  const first = `(row * ${spec.heads}u + head) * ${spec.headWidth}u`;
  return `for (var i = lane; i < ${headElements(spec)}u; i += ${LANES}u) {
  ${prefix}${name}[i] = ${operand.at(`${first} + i`)};
}`;
}

/** A number per entry and head: the dot product of a head's vector and the slot's stored one. */
export interface DotProducts {
  /** The workgroup array of the vectors, filled by {@link loadHeads}. */
  readonly vectors: string;
  /** The stored operand. */
  readonly stored: Operand;
  /** Names the results: `<name><h>_<e>` for head h and the lane's entry e. */
  readonly name: string;
}

/** The chains of dot products of `count` entries whose words begin at `at0`, `at1`, ... */
function dotChains(
  frame: PartFrame,
  spec: AttentionSizes,
  { vectors, stored, name }: DotProducts,
  count: number,
): string {
  const heads = numbers(headsTogether(spec));
  const entries = numbers(count);
  const step = headWords(spec) % UNROLLED === 0 ? UNROLLED : 1;
  const loads = numbers(step).flatMap((j) =>
    entries.map((e) => `let word${j}_${e} = ${loadWord(stored, spec, `at${e} + w + ${j}u`)};`)
  );
  // The second halves of a block's words come after all of the first: elements in order.
  const perWord = elementsOfWord(spec, "w").length;
  const chains = numbers(perWord * step).flatMap((element) => [
    ...entries.map((e) => {
      const values = wordValues(frame, spec, `word${element % step}_${e}`);
      return `let value${element}_${e} = ${values[Math.floor(element / step)]};`;
    }),
    ...heads.flatMap((h) => {
      const place = `${h * spec.headWidth}u + w * ${perWord}u + ${element}u`;
      return [
        `let vector${element}_${h} = ${frame.prefix}${vectors}[${place}];`,
        ...entries.map((e) =>
          `${name}${h}_${e} = fma(vector${element}_${h}, value${element}_${e}, ${name}${h}_${e});`
        ),
      ];
    }),
  ]);
  const names = heads.flatMap((h) => numbers(count).map((e) => `${name}${h}_${e}`));
  return `${names.map((sum) => `var ${sum} = 0.0;`).join("\n")}
for (var w = 0u; w < ${headWords(spec)}u; w += ${step}u) {
${[...loads, ...chains].join("\n")}
}`;
}

function eachEntryOf(
  frame: PartFrame,
  spec: AttentionSizes,
  products: readonly DotProducts[],
  visit: (entry: number) => string,
  count: number,
): string {
  return `for (var base = 0u; base < count; base += ${count * LANES}u) {
${
    lines(count, (e) =>
      `let entry${e} = base + ${e * LANES}u + lane;
let at${e} = ${frame.prefix}slot(seen, first + min(entry${e}, count - 1u)) * ${
        slotWords(spec)
      }u + shared_head * ${headWords(spec)}u;`)
  }
${products.map((each) => dotChains(frame, spec, each, count)).join("\n")}
${lines(count, (e) => `if (entry${e} < count) {\n${visit(e)}\n}`)}
}`;
}

/**
 * Visits the lane's entries of the part of `count` entries from entry `first` on, each with its dot
 * products; entry number e of those taken together is `entry<e>`.
 */
export function eachEntry(
  frame: PartFrame,
  spec: AttentionSizes,
  products: readonly DotProducts[],
  visit: (entry: number) => string,
): string {
  const few = eachEntryOf(frame, spec, products, visit, 1);
  const enough = ENTRIES_TOGETHER / 2 * LANES;
  if (partEntries(spec) <= enough) return few;
  const many = eachEntryOf(frame, spec, products, visit, ENTRIES_TOGETHER);
  return `if (count <= ${enough}u) {\n${few}\n} else {\n${many}\n}`;
}

/** The place of an entry of a head in an array of {@link entryElements}. */
export function entryPlace(spec: AttentionSizes, h: number, entry: string): string {
  return `${h * partEntries(spec)}u + ${entry}`;
}

/**
 * The softmax of a part, the heads being in `query`: `scores` holds e^(score - largest) per entry, and
 * `largest<h>` and `sum<h>` are declared in the scope. All of it is complete behind it.
 */
export function partSoftmax(
  frame: PartFrame,
  spec: AttentionSizes,
  key: Operand,
): string {
  const { prefix } = frame;
  const heads = numbers(headsTogether(spec));
  const products = { vectors: "query", stored: key, name: "score" };
  const place = (h: number, entry: string) => `${prefix}scores[${entryPlace(spec, h, entry)}]`;
  const scores = eachEntry(
    frame,
    spec,
    [products],
    (e) =>
      heads.map((h) =>
        `let scaled${h} = score${h}_${e} * ${floatText(spec.scale)};
${place(h, `entry${e}`)} = scaled${h};
largest${h} = max(largest${h}, scaled${h});`
      ).join("\n"),
  );
  return `${heads.map((h) => `var largest${h} = f32(${LOWEST});\nvar sum${h} = 0.0;`).join("\n")}
${scores}
${foldLanes(prefix, heads.map((h) => `largest${h}`), larger)}
for (var entry = lane; entry < count; entry += ${LANES}u) {
${
    heads.map((h) =>
      `let grown${h} = exp_f32(${place(h, "entry")} - largest${h});
${place(h, "entry")} = grown${h};
sum${h} += grown${h};`
    ).join("\n")
  }
}
${foldLanes(prefix, heads.map((h) => `sum${h}`), sum)}`;
}
