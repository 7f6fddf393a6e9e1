/**
 * What a row of attention sees, in WGSL, and how stored keys and values are read.
 *
 * Entry i of a row is slot start + i in its window, and one of the listed slots behind it.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import { LANES, type Operand, type PartFrame } from "./shader.ts";

/** The sizes that attention's kernels share. */
export type AttentionSizes = Omit<AttentionSpec, "family">;

/** Most slots that a row may list: their numbers are held in workgroup memory. */
const MOST_EXTRAS = 1024;

/** 0, 1, ..., count - 1. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** One text per number below `count`, in lines. */
export function lines(count: number, text: (i: number) => string): string {
  return numbers(count).map(text).join("\n");
}

/** The operands that say what rows see: start, end and, where there are any, listed slots. */
export interface SeenOperands {
  readonly start: Operand;
  readonly end: Operand;
  readonly extra: Operand | undefined;
}

/** Those operands among the inputs, from number `first` on. */
export function seenOperands(
  { inputs }: PartFrame,
  spec: AttentionSizes,
  first: number,
): SeenOperands {
  const [start, end, extra] = inputs.slice(first);
  return { start, end, extra: spec.extras > 0 ? extra : undefined };
}

/** `slot >= 0` statements over a row's listed slots; `visit` sees the i32 `slot`. */
export function eachListed(
  { extras }: AttentionSizes,
  { extra }: SeenOperands,
  row: string,
  visit: string,
): string {
  if (extra === undefined) return "";
  return `for (var i = 0u; i < ${extras}u; i++) {
  let slot = ${extra.at(`${row} * ${extras}u + i`)};
  if (slot >= 0) { ${visit} }
}`;
}

/**
 * Declares `seen(row, lane)`, to be called by all lanes of a group: vec3(start, entries of the
 * window, entries), the same for all lanes; and `slot(seen, i)`, the slot of entry i.
 */
export function rowDeclarations(
  { prefix, ...frame }: PartFrame,
  spec: AttentionSizes,
  first: number,
): string {
  if (spec.extras > MOST_EXTRAS) {
    throw new OutriderError(`at most ${MOST_EXTRAS} listed slots`, `${spec.extras}`, "list fewer");
  }
  const seen = seenOperands({ prefix, ...frame }, spec, first);
  const list = `${prefix}listed[count - window] = u32(slot); count++;`;
  const listed = spec.extras > 0
    ? `var<workgroup> ${prefix}listed: array<u32, ${spec.extras}>;`
    : "";
  const behind = spec.extras > 0 ? `if (i >= seen.y) { return ${prefix}listed[i - seen.y]; }` : "";
  return `var<workgroup> ${prefix}sees: vec3<u32>;
${listed}
fn ${prefix}seen(row: u32, lane: u32) -> vec3<u32> {
  if (lane == 0u) {
    let start = ${seen.start.at("row")};
    let window = u32(max(${seen.end.at("row")} - start, 0));
    var count = window;
    ${eachListed(spec, seen, "row", list)}
    ${prefix}sees = vec3<u32>(u32(start), window, count);
  }
  return workgroupUniformLoad(&${prefix}sees);
}
fn ${prefix}slot(seen: vec3<u32>, i: u32) -> u32 {
  ${behind}
  return seen.x + i;
}`;
}

/** The same numbers for one lane alone, without the list. */
export function entriesDeclaration(
  { prefix, ...frame }: PartFrame,
  spec: AttentionSizes,
  first: number,
): string {
  const seen = seenOperands({ prefix, ...frame }, spec, first);
  return `fn ${prefix}entries(row: u32) -> u32 {
  var count = u32(max(${seen.end.at("row")} - ${seen.start.at("row")}, 0));
  ${eachListed(spec, seen, "row", "count++;")}
  return count;
}`;
}

/** 32-bit words of a head of a stored key or value. */
export function headWords({ headWidth, storage }: AttentionSizes): number {
  return storage === "f16" ? headWidth / 2 : headWidth;
}

/** The words from one slot to the next. */
export function slotWords(spec: AttentionSizes): number {
  return spec.keyValueHeads * headWords(spec);
}

/** Words that a lane takes of a head in turn: those at lane, lane + LANES, ... */
export function wordsPerLane(spec: AttentionSizes): number {
  return Math.ceil(headWords(spec) / LANES);
}

/** The elements of a word of a head, as WGSL expressions of the word's u32 number. */
export function elementsOfWord({ storage }: AttentionSizes, word: string): readonly string[] {
  if (storage === "f32") return [word];
  const low = `(${word} / 4u * 8u + ${word} % 4u)`;
  return [low, `(${low} + 4u)`];
}

/**
 * Declares `low` and `high`: the halves of a word by the rule of `storedHalf`. The exponent is moved
 * as an integer, so that the largest one is one more power of two, and no number is subnormal.
 */
export function halfDeclarations({ prefix }: PartFrame, { storage }: AttentionSizes): string {
  if (storage === "f32") return "";
  return `fn ${prefix}half(sign: u32, size: u32) -> f32 {
  let normal = bitcast<f32>(size + 0x38000000u);
  let small = bitcast<f32>(size + 0x38800000u) - 0.00006103515625;
  let value = select(normal, small, size < 0x800000u);
  return bitcast<f32>(bitcast<u32>(value) | sign);
}
fn ${prefix}low(word: u32) -> f32 {
  return ${prefix}half((word & 0x8000u) << 16u, (word & 0x7fffu) << 13u);
}
fn ${prefix}high(word: u32) -> f32 {
  return ${prefix}half(word & 0x80000000u, (word >> 3u) & 0xfffe000u);
}`;
}

/** The word of a stored operand at a u32 expression, to be held in a variable. */
export function loadWord(operand: Operand, { storage }: AttentionSizes, index: string): string {
  const { words } = operand;
  if (words === undefined) {
    throw new OutriderError("stored keys and values", "computed ones", "bind them");
  }
  return storage === "f32" ? words.f32(index) : words.u32(index);
}

/** The f32 values of the elements of a loaded word, in the order of {@link elementsOfWord}. */
export function wordValues(
  { prefix }: PartFrame,
  { storage }: AttentionSizes,
  word: string,
): readonly string[] {
  return storage === "f32" ? [word] : [`${prefix}low(${word})`, `${prefix}high(${word})`];
}
