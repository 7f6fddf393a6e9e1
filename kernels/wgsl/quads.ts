/**
 * Quads: four neighbouring rows of the left operand or columns of the right one, whose values at one
 * step of a sum are one vector of four.
 *
 * @module
 */
import type { IntegerType, PackedType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import type { MatrixAccess } from "../../src/plan/kernel_spec.ts";
import { upTo } from "./matmul_order.ts";
import type { Operand, Words } from "./shader.ts";

/** Members of a quad. */
export const QUAD = 4;
const QUADS_PER_PANEL = PANEL_ROWS / QUAD;
const WORD_BYTES = 4;

/** Values of one turn over a block. */
export interface Turn {
  readonly lines: readonly string[];
  /** `vec4<f32>` expressions of consecutive steps. */
  readonly values: readonly string[];
}

/** How a quad's values are read, block by block. */
export interface QuadReader {
  /** Steps that one turn gives: 1, or 2 where columns j and j + 16 are stored together. */
  readonly stepsPerTurn: 1 | 2;
  /** Whether the values of one member lie side by side along the sum. */
  readonly runsAlong: "sum" | "members";
  /** Statements that begin the block of a quad, both `u32` expressions. */
  begin(quad: string, block: string): readonly string[];
  /** What turn `turn` of the block gives. */
  turn(turn: string): Turn;
}

/** How the members of an operand's quads are walked. */
export interface MemberAccess {
  /** The place of the first element. */
  readonly start: string;
  readonly members: number;
  readonly memberStride: number;
  readonly stepStride: number;
}

/** The rows of a left operand. */
export function rowAccess(access: MatrixAccess, rows: number, start: string): MemberAccess {
  return { start, members: rows, memberStride: access.rowStride, stepStride: access.columnStride };
}

/** The columns of a right operand. */
export function columnAccess(access: MatrixAccess, columns: number, start: string): MemberAccess {
  return {
    start,
    members: columns,
    memberStride: access.columnStride,
    stepStride: access.rowStride,
  };
}

/** Quads of a matrix with strides; members beyond the last one repeat it. Names begin with `name`. */
export function plainQuads(operand: Operand, access: MemberAccess, name: string): QuadReader {
  const { start, members, memberStride, stepStride } = access;
  const member = (quad: string, r: number) => `min((${quad}) * ${QUAD}u + ${r}u, ${members - 1}u)`;
  return {
    stepsPerTurn: 1,
    runsAlong: stepStride < memberStride ? "sum" : "members",
    begin: (quad, block) => [
      `let ${name}k = ${block} * ${BLOCK_COLUMNS}u;`,
      ...upTo(QUAD).map((r) =>
        `let ${name}s${r} = ${start} + ${member(quad, r)} * ${memberStride}u;`
      ),
    ],
    turn: (turn) => ({
      lines: [
        `let ${name}o = (${name}k + ${turn}) * ${stepStride}u;`,
        ...upTo(QUAD).map((r) => `let ${name}i${r} = ${name}s${r} + ${name}o;`),
        `let ${name}v = vec4<f32>(${
          upTo(QUAD).map((r) => operand.at(`${name}i${r}`)).join(", ")
        });`,
      ],
      values: [`${name}v`],
    }),
  };
}

/** Where the panel of a quad begins, and the quad's number in it; quads beyond the last repeat it. */
export function panelPlace(
  type: PackedType,
  n: number,
  k: number,
  quad: string,
  name: string,
): string[] {
  const { columns, bytes } = PACKED_LAYOUT[type];
  const panelWords = k / columns * bytes / WORD_BYTES;
  const last = Math.ceil(n / PANEL_ROWS) * QUADS_PER_PANEL - 1;
  return [
    `let ${name}q = min(${quad}, ${last}u);`,
    `let ${name}p = ${name}q / ${QUADS_PER_PANEL}u * ${panelWords}u;`,
    `let ${name}w = ${name}q % ${QUADS_PER_PANEL}u;`,
  ];
}

/** Words of a block of 32 columns of a panel, and those before its levels. */
export function blockWords(type: PackedType): { readonly block: number; readonly head: number } {
  const block = PACKED_LAYOUT[type].bytes / WORD_BYTES;
  const hasMinima = type === "packed_q4_1" || type === "integer_q4_1";
  return { block, head: hasMinima ? 2 * PANEL_ROWS : PANEL_ROWS };
}

/** Four words in a row as f32, at a `u32` name. */
export function fourFloats(words: Words, at: string): string {
  return `vec4<f32>(${upTo(QUAD).map((r) => words.f32(`${at} + ${r}u`)).join(", ")})`;
}

/** What differs among packed types: statements of a block's beginning, and a turn. */
interface Decoding {
  readonly stepsPerTurn: 1 | 2;
  begin(block: string): readonly string[];
  turn(turn: string): Turn;
}

function columnDecoding(words: Words, type: "packed_f32" | "packed_f16", name: string): Decoding {
  const quadWords = type === "packed_f32" ? QUAD : QUAD / 2;
  const columnWords = QUADS_PER_PANEL * quadWords;
  const halves = [
    `unpack2x16float(${words.u32(`${name}i`)})`,
    `unpack2x16float(${words.u32(`${name}i + 1u`)})`,
  ].join(", ");
  const value = type === "packed_f32" ? fourFloats(words, `${name}i`) : `vec4<f32>(${halves})`;
  return {
    stepsPerTurn: 1,
    begin: (block) => [
      `let ${name}b = ${name}p + ${block} * ${
        BLOCK_COLUMNS * columnWords
      }u + ${name}w * ${quadWords}u;`,
    ],
    turn: (turn) => ({
      lines: [
        `let ${name}i = ${name}b + ${turn} * ${columnWords}u;`,
        `let ${name}v = ${value};`,
      ],
      values: [`${name}v`],
    }),
  };
}

/** The statements that read a block's scales, and its minima where it has them. */
export function scaleLines(
  words: Words,
  type: PackedType,
  block: string,
  name: string,
): string[] {
  const { block: size, head } = blockWords(type);
  return [
    `let ${name}h = ${name}p + ${block} * ${size}u + ${name}w * ${QUAD}u;`,
    `let ${name}scale = ${fourFloats(words, `${name}h`)};`,
    ...(head > PANEL_ROWS
      ? [`let ${name}minimum = ${fourFloats(words, `${name}h + ${PANEL_ROWS}u`)};`]
      : []),
  ];
}

function levelDecoding(
  words: Words,
  type: "packed_q8_0" | "packed_q4_0" | "packed_q4_1",
  name: string,
): Decoding {
  const { block: size, head } = blockWords(type);
  const value = (levels: string): string => {
    if (type === "packed_q8_0") return `${name}scale * vec4<f32>(unpack4xI8(${levels}))`;
    const four = `vec4<f32>(unpack4xU8(${levels}))`;
    if (type === "packed_q4_0") return `${name}scale * (${four} - 8.0)`;
    // Fused, so that no compiler can choose; with scales that came from halves both ways agree.
    return `fma(${name}scale, ${four}, ${name}minimum)`;
  };
  const isPaired = type !== "packed_q8_0";
  const both = [`${name}c & 0x0f0f0f0fu`, `(${name}c >> 4u) & 0x0f0f0f0fu`];
  const parts = isPaired ? both : [`${name}c`];
  return {
    stepsPerTurn: isPaired ? 2 : 1,
    begin: (block) => [
      ...scaleLines(words, type, block, name),
      `let ${name}b = ${name}p + ${block} * ${size}u + ${head}u + ${name}w;`,
    ],
    turn: (turn) => ({
      lines: [
        `let ${name}i = ${name}b + ${turn} * ${QUADS_PER_PANEL}u;`,
        `let ${name}c = ${words.u32(`${name}i`)};`,
        ...parts.map((levels, i) => `let ${name}v${i} = ${value(levels)};`),
      ],
      values: parts.map((_, i) => `${name}v${i}`),
    }),
  };
}

/** The types whose products are of f32 numbers. */
type DecodedType = Exclude<PackedType, IntegerType>;

function decodingOf(words: Words, type: DecodedType, name: string): Decoding {
  if (type === "packed_f32" || type === "packed_f16") return columnDecoding(words, type, name);
  return levelDecoding(words, type, name);
}

/** Quads of the rows of a packed matrix [n, k], decoded to f32. */
export function packedQuads(
  words: Words,
  { weights, n, k }: { readonly weights: DecodedType; readonly n: number; readonly k: number },
  name: string,
): QuadReader {
  const decoding = decodingOf(words, weights, name);
  return {
    stepsPerTurn: decoding.stepsPerTurn,
    runsAlong: "members",
    begin: (quad, block) => [
      ...panelPlace(weights, n, k, quad, name),
      ...decoding.begin(block),
    ],
    turn: decoding.turn,
  };
}
