/**
 * The gradients of attention for keys and values, in WGSL.
 *
 * A group is some slots of one key/value head. It looks through the rows in order, 64 at a time; of
 * those that see any of its slots it takes several (row, head) pairs together: first every pair's P
 * and scale * dS of every slot, and then the sums, one chain per element over the pairs in order.
 *
 * @module
 */
import type { AttentionGradSpec } from "../../src/plan/kernel_spec.ts";
import { eachListed, lines, loadWord, numbers, seenOperands } from "./attention_rows.ts";
import { STATISTICS } from "./attention_statistics.ts";
import { entryElements, headElements } from "./attention_unit.ts";
import { floatText } from "./literals.ts";
import { LANES, type PartFrame } from "./shader.ts";

/** Where the gradients begin in the output; undefined where one is not wanted. */
export interface SlotTargets {
  readonly key: number | undefined;
  readonly value: number | undefined;
}

/** The code of the groups, and what it needs of arrays that other code may share. */
export interface SlotGradient {
  readonly groups: number;
  readonly declarations: string;
  /** Statements; `unit` (u32, below `groups`) is in scope. */
  readonly body: string;
  /** Elements of the workgroup arrays `query` and `gradient`. */
  readonly vectors: number;
  /** Elements of the workgroup array `scores`. */
  readonly scores: number;
}

/** Most slots of a group, and most pairs that it takes together. */
const MOST_TOGETHER = 16;
/** Elements of its slots at most: a lane sums up their 64th part, twice. */
const MOST_ELEMENTS = 1024;
/** f32 elements that fit workgroup memory beside what is small: of 16 KiB, which every adapter has. */
const MOST_SHARED = 3400;
/** Lanes that share out the elements of one slot. */
const MOST_COLUMNS = 16;

/** The largest power of two that is at most `limit`, from 1 on. */
function powerUpTo(limit: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, limit)));
}

/** How a group's work is laid out. */
interface Tile {
  readonly slots: number;
  readonly pairs: number;
  /** Lanes along a head, and elements of each of them. */
  readonly columns: number;
  readonly perColumn: number;
  /** Slots that lanes take side by side, and in turn. */
  readonly slotRows: number;
  readonly perSlotRow: number;
  /** Pairs that a lane has of those taken together. */
  readonly lanePairs: number;
}

function tileOf(spec: AttentionGradSpec): Tile {
  const { headWidth, operand } = spec;
  const slots = powerUpTo(Math.min(MOST_TOGETHER, MOST_ELEMENTS / headWidth));
  const taken = operand === "all" ? entryElements(spec) : 0;
  const room = (MOST_SHARED - taken) / (2 * headWidth);
  const pairs = powerUpTo(Math.min(MOST_TOGETHER, room));
  const columns = Math.min(MOST_COLUMNS, 2 * powerUpTo(headWidth - 1), headWidth === 1 ? 1 : LANES);
  const slotRows = LANES / columns;
  return {
    slots,
    pairs,
    columns,
    perColumn: Math.ceil(headWidth / columns),
    slotRows,
    perSlotRow: Math.ceil(slots / slotRows),
    lanePairs: Math.ceil(pairs * slots / LANES),
  };
}

/** `count`: how many rows from `firstRow` on see a slot of the group; they are in `rows`. */
function findRows({ prefix, ...frame }: PartFrame, spec: AttentionGradSpec): string {
  const seen = seenOperands({ prefix, ...frame }, spec, 3);
  const inGroup = "if (slot >= firstSlot && slot < endSlot) { sees = 1u; }";
  return `let mine = firstRow + lane;
var sees = 0u;
if (mine < ${spec.rows}u) {
let start = ${seen.start.at("mine")};
let end = ${seen.end.at("mine")};
if (start < end && start < endSlot && end > firstSlot) { sees = 1u; }
${eachListed(spec, seen, "mine", inGroup)}
}
${prefix}flags[lane] = sees;
workgroupBarrier();
var rank = 0u;
for (var i = 0u; i < lane; i++) { rank += ${prefix}flags[i]; }
if (sees > 0u) { ${prefix}rows[rank] = mine; }
if (lane == ${LANES - 1}u) { ${prefix}count = rank + sees; }
let count = workgroupUniformLoad(&${prefix}count) * ${spec.heads / spec.keyValueHeads}u;`;
}

/** Statements that name the pair `pair` of those found: its `row`, and `at` = row * heads + head. */
function pairPlace({ prefix }: PartFrame, { heads, keyValueHeads }: AttentionGradSpec): string {
  const group = heads / keyValueHeads;
  return `let row = ${prefix}rows[pair / ${group}u];
let at = row * ${heads}u + shared_head * ${group}u + pair % ${group}u;`;
}

/** The vectors of the pairs taken together, in `query` and `gradient`. */
function loadPairs(frame: PartFrame, spec: AttentionGradSpec): string {
  const { prefix, inputs } = frame;
  const [query] = inputs;
  const [gradient] = inputs.slice(-2);
  const place = `at * ${spec.headWidth}u + i % ${spec.headWidth}u`;
  return `for (var i = lane; i < pairs * ${spec.headWidth}u; i += ${LANES}u) {
let pair = firstPair + i / ${spec.headWidth}u;
${pairPlace(frame, spec)}
${prefix}query[i] = ${query.at(place)};
${prefix}gradient[i] = ${gradient.at(place)};
}`;
}

/** Entries of the pair's row that are this slot, as `times`. */
function countEntries(frame: PartFrame, spec: AttentionGradSpec): string {
  const seen = seenOperands(frame, spec, 3);
  const one = "if (slot == mySlot) { times += 1.0; }";
  return `var times = 0.0;
if (mySlot >= ${seen.start.at("row")} && mySlot < ${seen.end.at("row")}) { times = 1.0; }
${eachListed(spec, seen, "row", one)}`;
}

/** P and scale * dS of the pairs and slots, in `scores` one after the other. */
function pairScores(frame: PartFrame, spec: AttentionGradSpec, tile: Tile): string {
  const { prefix, inputs } = frame;
  const [, key, value] = inputs;
  const [, statistics] = inputs.slice(-2);
  const { headWidth, scale } = spec;
  const { slots, pairs, lanePairs } = tile;
  const inTurn = numbers(lanePairs);
  const step = headWidth % 4 === 0 ? 4 : 1;
  const chains = numbers(step).flatMap((j) => [
    `let key${j} = ${loadWord(key, spec, `stored + w + ${j}u`)};`,
    `let value${j} = ${loadWord(value, spec, `stored + w + ${j}u`)};`,
    ...inTurn.flatMap((i) => [
      `score${i} = fma(${prefix}query[vector${i} + w + ${j}u], key${j}, score${i});`,
      `reward${i} = fma(${prefix}gradient[vector${i} + w + ${j}u], value${j}, reward${i});`,
    ]),
  ]);
  const statistic = (which: number) => statistics.at(`at * ${STATISTICS}u + ${which}u`);
  return `let myPair = lane / ${slots}u;
let mySlot = firstSlot + i32(lane % ${slots}u);
let stored = (u32(min(mySlot, ${
    spec.slots - 1
  })) * ${spec.keyValueHeads}u + shared_head) * ${headWidth}u;
${
    lines(lanePairs, (i) =>
      `let pair${i} = myPair + ${i * LANES / slots}u;
let vector${i} = min(pair${i}, pairs - 1u) * ${headWidth}u;
var score${i} = 0.0;
var reward${i} = 0.0;`)
  }
for (var w = 0u; w < ${headWidth}u; w += ${step}u) {
${chains.join("\n")}
}
${
    lines(lanePairs, (i) =>
      `if (pair${i} < pairs) {
let pair = firstPair + pair${i};
${pairPlace(frame, spec)}
${countEntries(frame, spec)}
let grown = exp_f32(min(score${i} * ${floatText(scale)} - ${statistic(0)}, 0.0));
let chance = select(times * grown * ${statistic(1)}, 0.0, times == 0.0);
let change = chance * (reward${i} - ${statistic(2)}) * ${floatText(scale)};
let place = pair${i} * ${slots}u + lane % ${slots}u;
${prefix}scores[place] = chance;
${prefix}scores[${pairs * slots}u + place] = select(change, 0.0, times == 0.0);
}`)
  }`;
}

/** One of the two gradients. */
interface Gradient {
  readonly name: string;
  /** Where it begins in the output. */
  readonly target: number;
  /** Where its weights begin in `scores`, and the array of its vectors. */
  readonly weights: number;
  readonly vectors: string;
}

function gradientsOf({ key, value }: SlotTargets, { pairs, slots }: Tile): Gradient[] {
  const ofKey = { name: "key", target: key, weights: pairs * slots, vectors: "query" };
  const ofValue = { name: "value", target: value, weights: 0, vectors: "gradient" };
  return [ofKey, ofValue].flatMap(({ target, ...rest }) =>
    target === undefined ? [] : [{ target, ...rest }]
  );
}

/** Adds the pairs taken together to a gradient. */
function addPairs(
  { prefix }: PartFrame,
  { headWidth }: AttentionGradSpec,
  { slots, columns, perColumn, slotRows, perSlotRow }: Tile,
  { name, weights, vectors }: Gradient,
): string {
  const elements = numbers(perColumn);
  const slotNumbers = numbers(perSlotRow);
  return [
    ...elements.map((c) =>
      `let ${name}Vector${c} = ${prefix}${vectors}[p * ${headWidth}u + min(column + ${
        c * columns
      }u, ${headWidth - 1}u)];`
    ),
    ...slotNumbers.flatMap((s) => [
      `let ${name}Weight${s} = ${prefix}scores[p * ${slots}u + ${weights}u + min(slotRow + ${
        s * slotRows
      }u, ${slots - 1}u)];`,
      ...elements.map((c) =>
        `${name}${s}_${c} = fma(${name}Weight${s}, ${name}Vector${c}, ${name}${s}_${c});`
      ),
    ]),
  ].join("\n");
}

function storeGradient(
  { result }: PartFrame,
  { slots, keyValueHeads, headWidth }: AttentionGradSpec,
  { slots: together, columns, perColumn, slotRows, perSlotRow }: Tile,
  { name, target }: Gradient,
): string {
  const each = (s: number, c: number): string => {
    const slot = `(slotRow + ${s * slotRows}u)`;
    const column = `(column + ${c * columns}u)`;
    const whole = `(u32(firstSlot) + ${slot})`;
    const place =
      `${target}u + (${whole} * ${keyValueHeads}u + shared_head) * ${headWidth}u + ${column}`;
    const exists = `${slot} < ${together}u && ${whole} < ${slots}u && ${column} < ${headWidth}u`;
    return `if (${exists}) { ${result.store(place, `${name}${s}_${c}`)} }`;
  };
  return numbers(perSlotRow).flatMap((s) => numbers(perColumn).map((c) => each(s, c))).join("\n");
}

const NOTHING: SlotGradient = { groups: 0, declarations: "", body: "", vectors: 1, scores: 1 };

/** Generates the code of the gradients that are wanted. */
export function slotGradient(
  spec: AttentionGradSpec,
  frame: PartFrame,
  targets: SlotTargets,
): SlotGradient {
  if (spec.slots === 0 || spec.headWidth === 0) return NOTHING;
  const tile = tileOf(spec);
  const wanted = gradientsOf(targets, tile);
  if (wanted.length === 0) return NOTHING;
  const { prefix } = frame;
  const { slots, pairs, columns, perColumn, perSlotRow } = tile;
  const sums = wanted.flatMap(({ name }) =>
    numbers(perSlotRow).flatMap((s) => numbers(perColumn).map((c) => `var ${name}${s}_${c} = 0.0;`))
  );
  return {
    groups: Math.ceil(spec.slots / slots) * spec.keyValueHeads,
    vectors: Math.max(pairs * spec.headWidth, headElements(spec)),
    scores: 2 * pairs * slots,
    declarations: `var<workgroup> ${prefix}flags: array<u32, ${LANES}>;
var<workgroup> ${prefix}rows: array<u32, ${LANES}>;
var<workgroup> ${prefix}count: u32;`,
    body: `let shared_head = unit % ${spec.keyValueHeads}u;
let firstSlot = i32(unit / ${spec.keyValueHeads}u * ${slots}u);
let endSlot = firstSlot + ${slots};
let column = lane % ${columns}u;
let slotRow = lane / ${columns}u;
${sums.join("\n")}
for (var firstRow = 0u; firstRow < ${spec.rows}u; firstRow += ${LANES}u) {
${findRows(frame, spec)}
for (var firstPair = 0u; firstPair < count; firstPair += ${pairs}u) {
let pairs = min(${pairs}u, count - firstPair);
${loadPairs(frame, spec)}
workgroupBarrier();
${pairScores(frame, spec, tile)}
workgroupBarrier();
for (var p = 0u; p < pairs; p++) {
${wanted.map((each) => addPairs(frame, spec, tile, each)).join("\n")}
}
workgroupBarrier();
}
}
${wanted.map((each) => storeGradient(frame, spec, tile, each)).join("\n")}`,
  };
}
