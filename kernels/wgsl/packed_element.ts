/**
 * One element of a packed matrix as f32: what reads single rows or writes the whole matrix needs.
 *
 * @module
 */
import { isInteger, type PackedType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import type { Words } from "./shader.ts";

const WORD_BYTES = 4;
const PAIRS = BLOCK_COLUMNS / 2;

type BlockType = Exclude<PackedType, "packed_f32" | "packed_f16">;

function isFloat(type: PackedType): type is "packed_f32" | "packed_f16" {
  return type === "packed_f32" || type === "packed_f16";
}

/** Statements of a row's place in its panel, and where the panel begins. */
function panelLines(type: PackedType, columns: number): string[] {
  const { columns: together, bytes } = PACKED_LAYOUT[type];
  const words = columns / together * bytes / WORD_BYTES;
  return [
    `let panel = row / ${PANEL_ROWS}u * ${words}u;`,
    `let member = row % ${PANEL_ROWS}u;`,
  ];
}

function floatLines(type: "packed_f32" | "packed_f16", words: Words): string[] {
  const place = `panel + column * ${PACKED_LAYOUT[type].bytes / WORD_BYTES}u`;
  if (type === "packed_f32") return [`return ${words.f32(`${place} + member`)};`];
  const both = words.u32(`${place} + member / 2u`);
  return [`return half_value(${both} >> (16u * (member % 2u)));`];
}

/** The byte of a block's levels that has the element, counted from the first one. */
function levelByte(type: BlockType, index: string): string {
  if (!isInteger(type)) return `${index} * ${PANEL_ROWS}u + member`;
  const group = `${index} / ${GROUP_COLUMNS}u * ${GROUP_COLUMNS * PANEL_ROWS}u`;
  return `${group} + member * ${GROUP_COLUMNS}u + ${index} % ${GROUP_COLUMNS}u`;
}

function blockLines(type: BlockType, words: Words): string[] {
  const isBytes = type === "packed_q8_0" || type === "integer_q8_0";
  const hasMinimum = type === "packed_q4_1" || type === "integer_q4_1";
  const head = PANEL_ROWS * (hasMinimum ? 2 : 1);
  const level = isBytes
    ? ["let level = i32(four << (24u - shift)) >> 24u;"]
    : [`let nibble = i32((four >> (shift + 4u * (within / ${PAIRS}u))) & 15u);`];
  const value = hasMinimum
    // Fused, so that no compiler can choose; with scales that came from halves both ways agree.
    ? `fma(f32(nibble), scale, ${words.f32(`scalars + ${PANEL_ROWS}u`)})`
    : `f32(${isBytes ? "level" : "nibble - 8i"}) * scale`;
  return [
    `let block = panel + column / ${BLOCK_COLUMNS}u * ${PACKED_LAYOUT[type].bytes / WORD_BYTES}u;`,
    `let within = column % ${BLOCK_COLUMNS}u;`,
    "let scalars = block + member;",
    `let scale = ${words.f32("scalars")};`,
    `let index = ${isBytes ? "within" : `within % ${PAIRS}u`};`,
    `let byte = ${levelByte(type, "index")};`,
    `let four = ${words.u32(`block + ${head}u + byte / ${WORD_BYTES}u`)};`,
    `let shift = 8u * (byte % ${WORD_BYTES}u);`,
    ...level,
    `return ${value};`,
  ];
}

/** The function `name` (row, column) of a packed matrix with so many columns. */
export function packedElement(
  type: PackedType,
  columns: number,
  words: Words,
  name: string,
): string {
  return [
    `fn ${name}(row: u32, column: u32) -> f32 {`,
    ...panelLines(type, columns),
    ...(isFloat(type) ? floatLines(type, words) : blockLines(type, words)),
    "}",
  ].join("\n");
}
