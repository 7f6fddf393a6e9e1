/**
 * quantize: rows of f32 values to 8-bit integers in blocks of 32, for products in integers.
 *
 * With a the largest magnitude of a block: scale = a / 127, level = round(value 127 / a), and the
 * negative sum of the levels (see `src/core/quantized_rows.ts`). Eight lanes share a block, each with
 * the four values of one word.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";
import { LARGEST_LEVEL, QUANTIZED_BLOCK } from "../../src/core/quantized_rows.ts";
import type { QuantizeSpec } from "../../src/plan/kernel_spec.ts";
import { floatText } from "./literals.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

const WORD_BYTES = 4;
const SHARERS = BLOCK_COLUMNS / WORD_BYTES;
const BLOCKS = LANES / SHARERS;
const RECORD_WORDS = QUANTIZED_BLOCK.bytes / WORD_BYTES;
const HEAD_WORDS = QUANTIZED_BLOCK.head / WORD_BYTES;

/** Statements that fold what the sharers of a block left in workgroup memory into a variable. */
function folded(name: string, shared: string, fold: (a: string, b: string) => string): string[] {
  return [
    "workgroupBarrier();",
    `var ${name} = ${shared}[lane - sharer];`,
    `for (var other = 1u; other < ${SHARERS}u; other++) {`,
    `${name} = ${fold(name, `${shared}[lane - sharer + other]`)};`,
    "}",
  ];
}

/** Generates the part that quantises rows. */
export function quantizePart(
  { m, k }: QuantizeSpec,
  { prefix, inputs: [x], result }: PartFrame,
): ShaderPart {
  const blocks = m * (k / BLOCK_COLUMNS);
  if (blocks === 0) return NOTHING;
  const [sizes, totals] = [`${prefix}sizes`, `${prefix}totals`];
  const parts = [0, 1, 2, 3];
  const larger = (a: string, b: string): string => `max_f32(${a}, ${b})`;
  const body = [
    `let sharer = lane % ${SHARERS}u;`,
    `let block = group * ${BLOCKS}u + lane / ${SHARERS}u;`,
    `let first = min(block, ${blocks - 1}u) * ${BLOCK_COLUMNS}u + sharer * ${WORD_BYTES}u;`,
    ...parts.map((j) => `let x${j} = ${x.at(`first + ${j}u`)};`),
    `${sizes}[lane] = ${parts.map((j) => `abs(x${j})`).reduce(larger)};`,
    ...folded("largest", sizes, larger),
    "var factor = 0f;",
    `if (largest > 0f) { factor = ${floatText(LARGEST_LEVEL)} / largest; }`,
    ...parts.map((j) => {
      const level = `truncate_f32(round(x${j} * factor))`;
      return `let level${j} = clamp(${level}, i32(-${LARGEST_LEVEL}), ${LARGEST_LEVEL}i);`;
    }),
    `${totals}[lane] = ${parts.map((j) => `level${j}`).join(" + ")};`,
    ...folded("total", totals, (a, b) => `${a} + ${b}`),
    `if (block < ${blocks}u) {`,
    `let record = block * ${RECORD_WORDS}u;`,
    `let levels = ${parts.map((j) => `((level${j} & 255i) << ${8 * j}u)`).join(" | ")};`,
    result.store(`record + ${HEAD_WORDS}u + sharer`, "levels"),
    "if (sharer == 0u) {",
    result.store("record", `bitcast<i32>(largest * ${floatText(1 / LARGEST_LEVEL)})`),
    result.store("record + 1u", "-total"),
    result.store("record + 2u", "0i"),
    result.store("record + 3u", "0i"),
    "}",
    "}",
  ];
  return {
    lanes: LANES,
    groups: Math.ceil(blocks / BLOCKS),
    declarations: [
      `var<workgroup> ${sizes}: array<f32, ${LANES}>;`,
      `var<workgroup> ${totals}: array<i32, ${LANES}>;`,
    ].join("\n"),
    body: body.join("\n"),
  };
}
