/**
 * Products of many rows: each group computes a tile of outputs from tiles of both operands in
 * workgroup memory, block after block of the sum, chain after chain.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";
import { blockLength, blocksOf, CHAINS, chainsOf, upTo } from "./matmul_order.ts";
import type { ProductShape } from "./matmul_skinny.ts";
import { QUAD, type QuadReader } from "./quads.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

/** Lanes beside each other and below each other in a tile. */
export const ACROSS = 8;
export const DOWN = LANES / ACROSS;
/** The most quads of a lane in each direction. */
const MOST_QUADS = 2;
/** The quads of a lane from top to bottom in a high tile: loads are shared by more products. */
const HIGH_QUADS = 4;

/** The quads that both operands give; `batch` is in scope. */
export interface TiledOperands {
  readonly left: QuadReader;
  readonly right: QuadReader;
}

/** Quads per lane in each direction. */
export interface Tile {
  readonly down: number;
  readonly across: number;
}

/** What differs between products of numbers and of integers. */
export interface TiledKernel {
  readonly tile: Tile;
  /** How workgroup memory is declared: in vectors of four. */
  readonly word: "f32" | "u32";
  /** Vectors that a block takes. */
  readonly vectors: number;
  /** How many parts a block is staged in. */
  readonly parts: number;
  /** Statements that stage `part` of `block`, which has `steps` columns. */
  stage(memory: string): readonly string[];
  /** Statements that add the part's products to `aR_Q`, row R and quad of columns Q of the lane. */
  add(memory: string): readonly string[];
}

/** Rows from which tiles of high lanes are worth it, and the groups that must be left then. */
const MANY_ROWS = 96;
const ENOUGH_GROUPS = 64;

function tileOf({ batch, m, n }: ProductShape): Tile {
  const quads = (size: number, lanes: number) =>
    Math.min(MOST_QUADS, Math.max(1, Math.ceil(size / QUAD / lanes)));
  const across = quads(n, ACROSS);
  const high = Math.ceil(m / (HIGH_QUADS * DOWN * QUAD)) * Math.ceil(n / (across * ACROSS * QUAD));
  const isHigh = m >= MANY_ROWS && batch * high >= ENOUGH_GROUPS;
  return { down: isHigh ? HIGH_QUADS : quads(m, DOWN), across };
}

/** Steps that are staged at once: a block, or half of it so that the memory is enough. */
function depthOf({ down }: Tile): number {
  return down > MOST_QUADS ? BLOCK_COLUMNS / 2 : BLOCK_COLUMNS;
}

/** An operand's part of the tile memory: [steps, quads], quads shuffled so that banks differ. */
export interface Region {
  readonly start: number;
  readonly quads: number;
}

export function placeIn({ start, quads }: Region, step: string, quad: string): string {
  return `${start}u + ${step} * ${quads}u + ((${quad}) ^ (${step} & ${quads - 1}u))`;
}

/** The column of a block that comes at a step, where a turn of the right operand gives one or two. */
function columnOf(step: string, stepsPerTurn: 1 | 2): string {
  return stepsPerTurn === 1 ? step : `((${step}) / 2u + (${step}) % 2u * ${BLOCK_COLUMNS / 2}u)`;
}

/** What is staged of an operand: so many turns, which give the steps of a region. */
interface Staging {
  readonly memory: string;
  readonly region: Region;
  /** The first quad. */
  readonly first: string;
  /** Turns at most, and those that there are. */
  readonly depth: number;
  readonly turns: string;
  /** The reader's turn for the turn of a region. */
  readonly turnAt: (turn: string) => string;
}

/** Statements that bring turns of an operand into its region. */
function stagingLines(
  reader: QuadReader,
  { memory, region, first, depth, turns, turnAt }: Staging,
): string[] {
  const { quads } = region;
  const { lines, values } = reader.turn("taken");
  const turnLines = [
    `let taken = ${turnAt("turn")};`,
    ...lines,
    ...values.flatMap((value, i) => [
      `let step${i} = turn * ${values.length}u + ${i}u;`,
      `${memory}[${placeIn(region, `step${i}`, "quad")}] = ${value};`,
    ]),
  ];
  if (reader.runsAlong === "members") {
    return [
      "{",
      `let quad = lane % ${quads}u;`,
      ...reader.begin(`(${first} + quad)`, "block"),
      `for (var turn = lane / ${quads}u; turn < ${turns}; turn += ${LANES / quads}u) {`,
      ...turnLines,
      "}",
      "}",
    ];
  }
  return [
    "{",
    `let turn = lane % ${depth}u;`,
    `if (turn < ${turns}) {`,
    `for (var quad = lane / ${depth}u; quad < ${quads}u; quad += ${LANES / depth}u) {`,
    ...reader.begin(`(${first} + quad)`, "block"),
    ...turnLines,
    "}",
    "}",
    "}",
  ];
}

/** Statements of one step: quads of both operands, and a multiply-add for every pair of members. */
function stepLines(memory: string, { down, across }: Tile, left: Region, right: Region): string[] {
  const rows = upTo(down * QUAD);
  return [
    ...upTo(down).map((i) =>
      `let x${i} = ${memory}[${placeIn(left, "step", `lane / ${ACROSS}u + ${i * DOWN}u`)}];`
    ),
    ...upTo(across).map((i) =>
      `let y${i} = ${memory}[${placeIn(right, "step", `lane % ${ACROSS}u + ${i * ACROSS}u`)}];`
    ),
    ...rows.flatMap((row) =>
      upTo(across).map((i) => {
        const x = `vec4<f32>(x${Math.floor(row / QUAD)}[${row % QUAD}])`;
        return `a${row}_${i} = fma(${x}, y${i}, a${row}_${i});`;
      })
    ),
  ];
}

/** Statements that pass the lanes' sums through the tile memory and store them, row by row. */
function storeLines(
  { batch, m, n }: ProductShape,
  { tile: { down, across }, word }: TiledKernel,
  { result }: PartFrame,
  memory: string,
): string[] {
  const put = (value: string) => word === "f32" ? value : `bitcast<vec4<u32>>(${value})`;
  const got = (value: string) => word === "f32" ? value : `bitcast<vec4<f32>>(${value})`;
  const quads = across * ACROSS;
  const first = batch === 1 ? "" : `batch * ${m * n}u + `;
  return upTo(down).flatMap((below) => [
    "workgroupBarrier();",
    ...upTo(QUAD).flatMap((row) =>
      upTo(across).map((i) => {
        const place = `(lane / ${ACROSS}u * ${QUAD}u + ${row}u) * ${quads}u`;
        const sum = put(`t${below * QUAD + row}_${i}`);
        return `${memory}[${place} + lane % ${ACROSS}u + ${i * ACROSS}u] = ${sum};`;
      })
    ),
    "workgroupBarrier();",
    `for (var i = lane; i < ${DOWN * QUAD * quads}u; i += ${LANES}u) {`,
    `let row = (rowQuad + ${below * DOWN}u) * ${QUAD}u + i / ${quads}u;`,
    `let column = (columnQuad + i % ${quads}u) * ${QUAD}u;`,
    `let sums = ${got(`${memory}[i]`)};`,
    `if (row < ${m}u) {`,
    `let place = ${first}row * ${n}u + column;`,
    ...upTo(QUAD).map((r) =>
      `if (column + ${r}u < ${n}u) { let place${r} = place + ${r}u; ${
        result.store(`place${r}`, `sums[${r}]`)
      } }`
    ),
    "}",
    "}",
  ]);
}

/** The tile of f32 numbers. */
export function tiledNumbers(
  shape: ProductShape,
  { left, right }: TiledOperands,
): TiledKernel {
  const tile = tileOf(shape);
  const rows = { start: 0, quads: tile.down * DOWN };
  const depth = depthOf(tile);
  const columns = { start: depth * rows.quads, quads: tile.across * ACROSS };
  const { stepsPerTurn } = right;
  const isWhole = shape.k % BLOCK_COLUMNS === 0;
  const steps = isWhole ? `${depth}u` : `min(${depth}u, max(steps, start) - start)`;
  return {
    tile,
    word: "f32",
    vectors: depth * (rows.quads + columns.quads),
    parts: BLOCK_COLUMNS / depth,
    stage: (memory) => [
      `let start = part * ${depth}u;`,
      ...stagingLines(left, {
        memory,
        region: rows,
        first: "rowQuad",
        depth,
        turns: steps,
        turnAt: (turn) => columnOf(`start + ${turn}`, stepsPerTurn),
      }),
      ...stagingLines(right, {
        memory,
        region: columns,
        first: "columnQuad",
        depth: depth / stepsPerTurn,
        turns: stepsPerTurn === 1 ? steps : `${depth / stepsPerTurn}u`,
        turnAt: (turn) => `start / ${stepsPerTurn}u + ${turn}`,
      }),
    ],
    add: (memory) => [
      `for (var step = 0u; step < ${steps}; step++) {`,
      ...stepLines(memory, tile, rows, columns),
      "}",
    ],
  };
}

/** The part of a product of many rows. */
export function tiledPart(
  shape: ProductShape,
  kernel: TiledKernel,
  frame: PartFrame,
): ShaderPart {
  const { batch, m, n, k } = shape;
  if (batch * m * n === 0) return NOTHING;
  const { tile } = kernel;
  const rows = { quads: tile.down * DOWN };
  const columns = { quads: tile.across * ACROSS };
  const tilesAcross = Math.ceil(n / (columns.quads * QUAD));
  const tiles = Math.ceil(m / (rows.quads * QUAD)) * tilesAcross;
  const memory = `${frame.prefix}tile`;
  const vectors = Math.max(kernel.vectors, DOWN * QUAD * columns.quads);
  const sums = upTo(tile.down * QUAD).flatMap((row) => upTo(tile.across).map((i) => `${row}_${i}`));
  const body = [
    `let batch = group / ${tiles}u;`,
    `let rowQuad = group % ${tiles}u / ${tilesAcross}u * ${rows.quads}u;`,
    `let columnQuad = group % ${tilesAcross}u * ${columns.quads}u;`,
    ...sums.flatMap((sum) => [`var a${sum} = vec4<f32>();`, `var t${sum} = vec4<f32>();`]),
    `for (var chain = 0u; chain < ${chainsOf(k)}u; chain++) {`,
    `for (var block = chain; block < ${blocksOf(k)}u; block += ${CHAINS}u) {`,
    `let steps = ${blockLength(k, "block")};`,
    `for (var part = 0u; part < ${kernel.parts}u; part++) {`,
    "workgroupBarrier();",
    ...kernel.stage(memory),
    "workgroupBarrier();",
    ...kernel.add(memory),
    "}",
    "}",
    ...sums.flatMap((sum) => [`t${sum} += a${sum};`, `a${sum} = vec4<f32>();`]),
    "}",
    ...storeLines(shape, kernel, frame, memory),
  ];
  return {
    lanes: LANES,
    groups: batch * tiles,
    declarations: `var<workgroup> ${memory}: array<vec4<${kernel.word}>, ${vectors}>;`,
    body: body.join("\n"),
  };
}
