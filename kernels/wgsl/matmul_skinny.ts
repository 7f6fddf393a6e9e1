/**
 * Products of few rows: each group takes some quads of columns, and its lanes share out the chains.
 *
 * The rows are staged in workgroup memory for a round of blocks, one block per chain. At the end the
 * chains of every output meet there, and one lane adds them in order.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";
import { blockLength, blocksOf, CHAINS, chainsOf, upTo } from "./matmul_order.ts";
import { QUAD, type QuadReader } from "./quads.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

/** Most rows for which a product is skinny. */
export const SKINNY_ROWS = 16;
/** Quads that lie side by side in a group, and their columns. */
const QUADS_ACROSS = LANES / CHAINS;
const COLUMNS_ACROSS = QUADS_ACROSS * QUAD;
/** Columns of the left operand in one round. */
export const ROUND_COLUMNS = CHAINS * BLOCK_COLUMNS;

/** Sizes of a product, [batch, m, k] by [batch, k, n]. */
export interface ProductShape {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** What a product reads; `batch` is in scope of all of it. */
export interface ProductOperands {
  /** The left element at a row and a column. */
  left(row: string, column: string): string;
  /** The right operand's columns; names that it declares begin with `name`. */
  right(name: string): QuadReader;
}

/** What differs between products of numbers and of integers. */
export interface SkinnyKernel {
  /** How workgroup memory is declared. */
  readonly word: "f32" | "u32";
  /** Statements that stage all rows for `round`. */
  stage(memory: string): readonly string[];
  /** Statements that add `block` of row r and the lane's quads `quads` to `aR_G`. */
  add(memory: string, quads: readonly string[]): readonly string[];
}

/** Where a row's column `column` of chain `chain` is staged: apart from that of other chains. */
function stagedPlace(row: string, chain: string, column: string): string {
  const within = `((${column}) ^ (${chain} * ${BLOCK_COLUMNS / CHAINS}u))`;
  return `${row} * ${ROUND_COLUMNS}u + ${chain} * ${BLOCK_COLUMNS}u + ${within}`;
}

/** Statements that stage a round of all rows. */
function stagingLines({ m, k }: ProductShape, { left }: ProductOperands, staged: string): string[] {
  const width = chainsOf(k) * BLOCK_COLUMNS;
  const isWhole = k % width === 0;
  const read = `value = ${left("row", "column")};`;
  return [
    `for (var i = lane; i < ${m * width}u; i += ${LANES}u) {`,
    `let row = i / ${width}u;`,
    `let within = i % ${width}u;`,
    `let column = round * ${ROUND_COLUMNS}u + within;`,
    "var value = 0.0;",
    isWhole ? read : `if (column < ${k}u) { ${read} }`,
    `let owner = within / ${BLOCK_COLUMNS}u;`,
    `${staged}[${stagedPlace("row", "owner", `within % ${BLOCK_COLUMNS}u`)}] = value;`,
    "}",
  ];
}

/** Statements that add the lane's block of the round to its chain. */
function blockLines(
  { m, k }: ProductShape,
  quads: readonly { readonly quad: string; readonly reader: QuadReader }[],
  staged: string,
): string[] {
  const { stepsPerTurn } = quads[0].reader;
  const turns = stepsPerTurn === 1 ? blockLength(k, "block") : `${BLOCK_COLUMNS / stepsPerTurn}u`;
  const turnsOf = quads.map(({ reader }) => reader.turn("turn"));
  const steps = upTo(stepsPerTurn).flatMap((step) =>
    upTo(m).flatMap((row) => {
      const column = `turn + ${step * BLOCK_COLUMNS / stepsPerTurn}u`;
      const x = `x${step}_${row}`;
      return [
        `let ${x} = vec4<f32>(${staged}[${stagedPlace(`${row}u`, "chain", column)}]);`,
        ...turnsOf.map(({ values }, g) =>
          `a${row}_${g} = fma(${x}, ${values[step]}, a${row}_${g});`
        ),
      ];
    })
  );
  return [
    ...quads.flatMap(({ quad, reader }) => reader.begin(quad, "block")),
    `for (var turn = 0u; turn < ${turns}; turn++) {`,
    ...turnsOf.flatMap(({ lines }) => lines),
    ...steps,
    "}",
  ];
}

/** Statements that add the chains of the lanes' g-th quads and store the sums. */
function joinLines(
  { batch, m, n, k }: ProductShape,
  { result }: PartFrame,
  { name: staged, word }: { readonly name: string; readonly word: "f32" | "u32" },
  g: number,
): string[] {
  const put = (value: string) => word === "f32" ? value : `bitcast<u32>(${value})`;
  const got = (value: string) => word === "f32" ? value : `bitcast<f32>(${value})`;
  const element = (row: string, chain: string, within: string) =>
    `${staged}[(${row} * ${CHAINS}u + ${chain}) * ${COLUMNS_ACROSS}u + ${within}]`;
  const chains = upTo(chainsOf(k)).map((chain) =>
    `sum += ${got(element("row", `${chain}u`, "within"))};`
  );
  const first = batch === 1 ? "" : `batch * ${m * n}u + `;
  const sums = upTo(m).flatMap((row) =>
    upTo(QUAD).map((r) => {
      const within = `lane % ${QUADS_ACROSS}u * ${QUAD}u + ${r}u`;
      return `${element(`${row}u`, "chain", within)} = ${put(`a${row}_${g}[${r}]`)};`;
    })
  );
  return [
    "workgroupBarrier();",
    ...sums,
    "workgroupBarrier();",
    `for (var i = lane; i < ${m * COLUMNS_ACROSS}u; i += ${LANES}u) {`,
    `let row = i / ${COLUMNS_ACROSS}u;`,
    `let within = i % ${COLUMNS_ACROSS}u;`,
    `let column = quad0 * ${QUAD}u + ${g * COLUMNS_ACROSS}u + within;`,
    "var sum = 0.0;",
    ...chains,
    `if (column < ${n}u) {`,
    `let place = ${first}row * ${n}u + column;`,
    result.store("place", "sum"),
    "}",
    "}",
  ];
}

/** The product of f32 numbers. */
export function skinnyNumbers(shape: ProductShape, operands: ProductOperands): SkinnyKernel {
  return {
    word: "f32",
    stage: (memory) => stagingLines(shape, operands, memory),
    add: (memory, quads) =>
      blockLines(
        shape,
        quads.map((quad, g) => ({ quad, reader: operands.right(`w${g}`) })),
        memory,
      ),
  };
}

/** Quads that a lane may hold, of all rows together. */
const MOST_SUMS = 16;
/** Groups that are enough for few rows to fill an adapter. */
const ENOUGH_GROUPS = 16;

/** Quads of one lane: with more of them the staged rows are read less often, by fewer groups. */
function quadsPerLane({ batch, m, n }: ProductShape): number {
  const isFit = (perLane: number) =>
    m * perLane <= MOST_SUMS && batch * n >= perLane * COLUMNS_ACROSS * ENOUGH_GROUPS;
  return [4, 2].find(isFit) ?? 1;
}

/** The part of a product of at most {@link SKINNY_ROWS} rows. */
export function skinnyPart(
  shape: ProductShape,
  kernel: SkinnyKernel,
  frame: PartFrame,
): ShaderPart {
  const { batch, m, n, k } = shape;
  const perLane = quadsPerLane(shape);
  const groups = Math.ceil(n / (perLane * COLUMNS_ACROSS));
  if (batch * m * groups === 0) return NOTHING;
  const staged = `${frame.prefix}staged`;
  const quads = upTo(perLane).map((g) => `(quad + ${g * QUADS_ACROSS}u)`);
  const sums = upTo(m).flatMap((row) =>
    upTo(perLane).map((g) => `var a${row}_${g} = vec4<f32>();`)
  );
  const body = [
    `let batch = group / ${groups}u;`,
    `let quad0 = group % ${groups}u * ${perLane * QUADS_ACROSS}u;`,
    `let quad = quad0 + lane % ${QUADS_ACROSS}u;`,
    `let chain = lane / ${QUADS_ACROSS}u;`,
    ...sums,
    `for (var round = 0u; round < ${Math.ceil(blocksOf(k) / CHAINS)}u; round++) {`,
    "workgroupBarrier();",
    ...kernel.stage(staged),
    "workgroupBarrier();",
    `let block = round * ${CHAINS}u + chain;`,
    `if (block < ${blocksOf(k)}u) {`,
    ...kernel.add(staged, quads),
    "}",
    "}",
    ...upTo(perLane).flatMap((g) =>
      joinLines(shape, frame, { name: staged, word: kernel.word }, g)
    ),
  ];
  return {
    lanes: LANES,
    groups: batch * groups,
    declarations: `var<workgroup> ${staged}: array<${kernel.word}, ${m * ROUND_COLUMNS}>;`,
    body: body.join("\n"),
  };
}
