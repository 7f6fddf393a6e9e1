/**
 * Products in integers: how words of four levels are read, and what becomes of a block's sum.
 *
 * A block of 32 columns is eight steps of four levels. Levels of the weights lie in words of four
 * columns of one row; x is given in the records of `core/quantized_rows.ts`.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PANEL_ROWS } from "../../src/core/packed.ts";
import { QUANTIZED_BLOCK } from "../../src/core/quantized_rows.ts";
import { upTo } from "./matmul_order.ts";
import { blockWords, panelPlace, QUAD, scaleLines } from "./quads.ts";
import type { Words } from "./shader.ts";

const WORD_BYTES = 4;
/** Steps of a block: words of levels of one row. */
export const LEVEL_WORDS = BLOCK_COLUMNS / GROUP_COLUMNS;
/** Words of a block's record, and those before its levels. */
export const RECORD_WORDS = QUANTIZED_BLOCK.bytes / WORD_BYTES;
export const RECORD_HEAD = QUANTIZED_BLOCK.head / WORD_BYTES;

/** How the levels of a quad of rows of the weights are read, block by block. */
export interface LevelReader {
  /** Turns of a block. */
  readonly turns: number;
  /** Statements that begin a block: `NAMEscale`, and `NAMEminimum` where there is one. */
  begin(quad: string, block: string): readonly string[];
  /** Statements of a turn. */
  lines(turn: string): readonly string[];
  /** What a turn gives: `vec4<u32>` with a word per row, and the steps to which they belong. */
  readonly values: readonly { readonly words: string; step(turn: string): string }[];
}

/** The reader of a matrix [n, k]; names begin with `name`. */
export function levelReader(
  words: Words,
  { weights, n, k }: { readonly weights: IntegerType; readonly n: number; readonly k: number },
  name: string,
): LevelReader {
  const { block: size, head } = blockWords(weights);
  const isPaired = weights !== "integer_q8_0";
  const turns = isPaired ? LEVEL_WORDS / 2 : LEVEL_WORDS;
  const four = upTo(QUAD).map((r) => words.u32(`${name}i + ${r}u`)).join(", ");
  const mask = "vec4<u32>(0x0f0f0f0fu)";
  return {
    turns,
    begin: (quad, block) => [
      ...panelPlace(weights, n, k, quad, name),
      ...scaleLines(words, weights, block, name),
      `let ${name}b = ${name}p + ${block} * ${size}u + ${head}u + ${name}w * ${QUAD}u;`,
    ],
    lines: (turn) => [
      `let ${name}i = ${name}b + ${turn} * ${PANEL_ROWS}u;`,
      `let ${name}c = vec4<u32>(${four});`,
    ],
    values: isPaired
      ? [
        { words: `(${name}c & ${mask})`, step: (turn) => turn },
        {
          words: `((${name}c >> vec4<u32>(4u)) & ${mask})`,
          step: (turn) => `(${turn} + ${turns}u)`,
        },
      ]
      : [{ words: `${name}c`, step: (turn) => turn }],
  };
}

/** What the sums of a row begin with: the offset of levels that are stored without a sign. */
export function firstSum(weights: IntegerType, negativeSum: string): string {
  return weights === "integer_q4_0" ? `vec4<i32>(${negativeSum} * 8)` : "vec4<i32>()";
}

/** The statement that adds four dot products of levels to a sum. */
export function dotLine(sum: string, levels: string, x: string): string {
  const dots = ["x", "y", "z", "w"].map((r) => `dot4I8Packed(${levels}.${r}, ${x})`);
  return `${sum} += vec4<i32>(${dots.join(", ")});`;
}

/** The scales of a block and of a row's record, as expressions. */
export interface BlockScales {
  readonly scale: string;
  /** Of the weights, where they have one. */
  readonly minimum: string;
  readonly rowScale: string;
  readonly negativeSum: string;
}

/** Statements that add a block's sum in integers to a chain in f32. */
export function foldLines(
  weights: IntegerType,
  chain: string,
  sum: string,
  { scale, minimum, rowScale, negativeSum }: BlockScales,
): string[] {
  const add = `${chain} = fma(vec4<f32>(${sum}), ${scale} * ${rowScale}, ${chain});`;
  if (weights !== "integer_q4_1") return [add];
  const negative = `vec4<f32>(f32(${negativeSum}) * ${rowScale})`;
  return [add, `${chain} = fma(-${minimum}, ${negative}, ${chain});`];
}
