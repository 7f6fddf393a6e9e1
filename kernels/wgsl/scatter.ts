/**
 * scatter: table[indices[r], :] (= or +=) updates[r, :] for r = 0, 1, 2, ... in order.
 *
 * A group has one row of updates, or a part of its columns, and looks for the other rows with its
 * index. With `set` it writes where no later row will; with `add` the first row of an index takes the
 * later ones in order, found as bits in workgroup memory. Rows of the table that nothing hits are not
 * touched.
 *
 * @module
 */
import type { ScatterSpec } from "../../src/plan/kernel_spec.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

/** Most columns of a group. */
const MOST_COLUMNS = 512;
const WORD_BITS = 32;
/** Rows of updates whose bits are held at a time. */
const MOST_BITS = 16384;

/** Runs statements for the columns of the group. */
function eachColumn({ width }: ScatterSpec, statements: readonly string[]): string[] {
  const columns = Math.min(width, MOST_COLUMNS);
  return [
    `let end = min(${width}u, first + ${columns}u);`,
    `for (var column = first + lane; column < end; column += ${LANES}u) {`,
    ...statements,
    "}",
  ];
}

function setCode(spec: ScatterSpec, { prefix, inputs, result }: PartFrame): string[] {
  const { rows, width } = spec;
  const [indices, updates] = inputs;
  const copy = eachColumn(spec, [
    result.store(`row * ${width}u + column`, updates.at(`r * ${width}u + column`)),
  ]);
  return [
    `for (var later = r + 1u + lane; later < ${rows}u; later += ${LANES}u) {`,
    `if (bitcast<u32>(${indices.at("later")}) == row) { atomicStore(&${prefix}later, 1u); }`,
    "}",
    "workgroupBarrier();",
    `if (isInside && atomicLoad(&${prefix}later) == 0u) {`,
    ...copy,
    "}",
  ];
}

/** The sum of a table's element and an update. */
function sumCode({ type }: ScatterSpec, element: string, update: string): string {
  return type === "bool" ? `${element} | ${update}` : `${element} + ${update}`;
}

/** Statements that add the rows of one stretch, whose bits are in workgroup memory, in order. */
function addMarked(spec: ScatterSpec, { prefix, inputs, result }: PartFrame): string[] {
  const { width } = spec;
  const place = `row * ${width}u + column`;
  const update = inputs[1].at(`(base + word * ${WORD_BITS}u + bit) * ${width}u + column`);
  return eachColumn(spec, [
    `var sum = ${result.at(place)};`,
    "for (var word = 0u; word < words; word++) {",
    `var bits = atomicLoad(&${prefix}same[word]);`,
    "while (bits != 0u) {",
    "let bit = firstTrailingBit(bits);",
    "bits = bits & (bits - 1u);",
    `sum = ${sumCode(spec, "sum", update)};`,
    "}",
    "}",
    result.store(place, "sum"),
  ]);
}

function addCode(spec: ScatterSpec, frame: PartFrame): string[] {
  const { rows } = spec;
  const { prefix, inputs: [indices] } = frame;
  const bits = Math.min(rows, MOST_BITS);
  return [
    `for (var base = 0u; base < ${rows}u; base += ${bits}u) {`,
    `let count = min(${bits}u, ${rows}u - base);`,
    `let words = (count + ${WORD_BITS - 1}u) / ${WORD_BITS}u;`,
    `for (var word = lane; word < words; word += ${LANES}u) {`,
    `atomicStore(&${prefix}same[word], 0u);`,
    "}",
    "workgroupBarrier();",
    `for (var k = lane; k < count; k += ${LANES}u) {`,
    `if (bitcast<u32>(${indices.at("base + k")}) == row) {`,
    `if (base + k < r) { atomicStore(&${prefix}earlier, 1u); }`,
    `atomicOr(&${prefix}same[k / ${WORD_BITS}u], 1u << (k % ${WORD_BITS}u));`,
    "}",
    "}",
    "workgroupBarrier();",
    `if (isInside && r < base + count && atomicLoad(&${prefix}earlier) == 0u) {`,
    ...addMarked(spec, frame),
    "}",
    "workgroupBarrier();",
    "}",
  ];
}

function declarationsOf({ mode, rows }: ScatterSpec, prefix: string): string[] {
  if (mode === "set") return [`var<workgroup> ${prefix}later: atomic<u32>;`];
  const words = Math.ceil(Math.min(rows, MOST_BITS) / WORD_BITS);
  return [
    `var<workgroup> ${prefix}earlier: atomic<u32>;`,
    `var<workgroup> ${prefix}same: array<atomic<u32>, ${words}>;`,
  ];
}

/**
 * Statements by which one group writes some columns of all rows, with `set`: a lane takes the rows of
 * its columns in order.
 */
export function newRowsCode(
  { rows, tableRows, width }: ScatterSpec,
  { inputs: [indices, updates], result }: Pick<PartFrame, "inputs" | "result">,
  first: string,
  count: number,
): string {
  return [
    `for (var i = lane; i < ${count}u; i += ${LANES}u) {`,
    `let column = ${first} + i;`,
    `for (var r = 0u; r < ${rows}u; r++) {`,
    `let row = bitcast<u32>(${indices.at("r")});`,
    `if (row < ${tableRows}u) {`,
    result.store(`row * ${width}u + column`, updates.at(`r * ${width}u + column`)),
    "}",
    "}",
    "}",
  ].join("\n");
}

/** Generates the part of a scatter. */
export function scatterPart(spec: ScatterSpec, frame: PartFrame): ShaderPart {
  const { rows, width, tableRows, mode } = spec;
  const columnParts = Math.ceil(width / MOST_COLUMNS);
  const groups = tableRows === 0 ? 0 : rows * columnParts;
  if (groups === 0) return NOTHING;
  const body = [
    `let r = group / ${columnParts}u;`,
    `let first = (group % ${columnParts}u) * ${MOST_COLUMNS}u;`,
    `let row = bitcast<u32>(${frame.inputs[0].at("r")});`,
    `let isInside = row < ${tableRows}u;`,
    ...(mode === "set" ? setCode(spec, frame) : addCode(spec, frame)),
  ];
  return {
    lanes: LANES,
    groups,
    declarations: declarationsOf(spec, frame.prefix).join("\n"),
    body: body.join("\n"),
  };
}
