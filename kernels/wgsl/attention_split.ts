/**
 * Attention in two kernels: one gives a record per part of a row's entries, one joins the records.
 *
 * Every step is that of attention as a whole, so the bits are too.
 *
 * @module
 */
import {
  ATTENTION_PART,
  attentionParts,
  attentionRecord,
} from "../../src/core/attention_layout.ts";
import type { AttentionJoinSpec, AttentionPartsSpec } from "../../src/plan/kernel_spec.ts";
import { partDeclarations } from "./attention.ts";
import { entriesDeclaration, numbers } from "./attention_rows.ts";
import { joinSoftmax, joinSums, LOWEST, reciprocal } from "./attention_softmax.ts";
import { hasWord, laneSums, weightedSums } from "./attention_sums.ts";
import { headsTogether, loadHeads, partSoftmax, unitOfRow, unitsOfRow } from "./attention_unit.ts";
import { LANES, type PartFrame, type ShaderPart } from "./shader.ts";

/** Elements of a record that hold the largest score, and as many that hold the sum. */
const COPIES = 4;

/** Generates the kernel of attention's parts: a group is one part and unit of a row. */
export function attentionPartsPart(spec: AttentionPartsSpec, frame: PartFrame): ShaderPart {
  const { prefix, inputs: [query, key, value], result } = frame;
  const record = attentionRecord(spec);
  const units = spec.rows * unitsOfRow(spec);
  const place = (h: number, element: string): string =>
    `(record + ${h}u) * ${record}u + ${element}`;
  const sums = laneSums(spec, "sums").map(({ name, head, word, element }) =>
    `if (${hasWord(spec, word)}) { ${result.store(place(head, element), name)} }`
  );
  const softmax = numbers(headsTogether(spec)).map((h) => {
    const last = `${record - 2 * COPIES}u + lane`;
    const either = `select(sum${h}, largest${h}, lane < ${COPIES}u)`;
    return `if (lane < ${2 * COPIES}u) { ${result.store(place(h, last), either)} }`;
  });
  return {
    lanes: LANES,
    groups: attentionParts(spec) * units,
    declarations: partDeclarations(frame, spec),
    body: `${unitOfRow(spec, `(group % ${units}u)`)}
let part = group / ${units}u;
let record = (part * ${spec.rows}u + row) * ${spec.heads}u + head;
let first = part * ${ATTENTION_PART}u;
let seen = ${prefix}seen(row, lane);
if (first < seen.z) {
let count = min(${ATTENTION_PART}u, seen.z - first);
${loadHeads(frame, spec, query, "query")}
workgroupBarrier();
${partSoftmax(frame, spec, key)}
${weightedSums(frame, spec, { weights: "scores", stored: value, name: "sums" })}
${[...sums, ...softmax].join("\n")}
}`,
  };
}

/** Generates the kernel that joins attention's parts: a lane is one element of the output. */
export function attentionJoinPart(spec: AttentionJoinSpec, frame: PartFrame): ShaderPart {
  const { prefix, inputs: [records], result } = frame;
  const record = attentionRecord(spec);
  const size = spec.rows * spec.heads * spec.headWidth;
  const rowElements = spec.heads * spec.headWidth;
  return {
    lanes: LANES,
    groups: Math.ceil(size / LANES),
    declarations: entriesDeclaration(frame, spec, 1),
    body: `let place = group * ${LANES}u + lane;
if (place < ${size}u) {
let entries = ${prefix}entries(place / ${rowElements}u);
var at = place / ${spec.headWidth}u * ${record}u;
let element = place % ${spec.headWidth}u;
var seenLargest = f32(${LOWEST});
var seenSum = 0.0;
var out = 0.0;
for (var first = 0u; first < entries; first += ${ATTENTION_PART}u) {
let largest = ${records.at(`at + ${record - 2 * COPIES}u`)};
let sum = ${records.at(`at + ${record - COPIES}u`)};
let sums = ${records.at("at + element")};
${joinSoftmax("", "largest", "sum")}
${joinSums("out", "", "sums")}
at += ${spec.rows * spec.heads * record}u;
}
${result.store("place", `out * (${reciprocal("seenSum")})`)}
}`,
  };
}
