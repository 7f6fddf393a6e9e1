/**
 * Products with integer weights: x in quantised rows, a block of 32 columns at a time in integers.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";
import type { IntegerType } from "../../src/core/dtype.ts";
import {
  dotLine,
  firstSum,
  foldLines,
  LEVEL_WORDS,
  levelReader,
  RECORD_HEAD,
  RECORD_WORDS,
} from "./integer_products.ts";
import { CHAINS, upTo } from "./matmul_order.ts";
import { SKINNY_ROWS, type SkinnyKernel, skinnyPart } from "./matmul_skinny.ts";
import { ACROSS, DOWN, placeIn, type Tile, type TiledKernel, tiledPart } from "./matmul_tiled.ts";
import { QUAD } from "./quads.ts";
import { LANES, type Operand, type PartFrame, type ShaderPart, type Words } from "./shader.ts";

/** Sizes and types of such a product. */
interface IntegerProduct {
  readonly weights: IntegerType;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

function skinnyIntegers(product: IntegerProduct, x: Operand, words: Words): SkinnyKernel {
  const { weights, m, k } = product;
  const rowWords = k / BLOCK_COLUMNS * RECORD_WORDS;
  const width = CHAINS * RECORD_WORDS;
  const inRow = `within < ${rowWords}u`;
  const staged = (row: number, word: string) =>
    `${row * width}u + chain * ${RECORD_WORDS}u + ${word}`;
  const add = (memory: string, quads: readonly string[]): string[] => {
    const readers = quads.map((_, g) => levelReader(words, product, `w${g}`));
    const { turns, values } = readers[0];
    const each = <Line>(line: (row: number, g: number) => Line): Line[] =>
      upTo(m).flatMap((row) => readers.map((_, g) => line(row, g)));
    return [
      ...readers.flatMap((reader, g) => reader.begin(quads[g], "block")),
      ...upTo(m).flatMap((row) => [
        `let scale${row} = bitcast<f32>(${memory}[${staged(row, "0u")}]);`,
        `let negative${row} = bitcast<i32>(${memory}[${staged(row, "1u")}]);`,
      ]),
      ...each((row, g) => `var i${row}_${g} = ${firstSum(weights, `negative${row}`)};`),
      `for (var turn = 0u; turn < ${turns}u; turn++) {`,
      ...readers.flatMap((reader) => reader.lines("turn")),
      ...values.flatMap(({ step }, i) => [
        ...readers.map((reader, g) => `let levels${i}_${g} = ${reader.values[i].words};`),
        ...upTo(m).flatMap((row) => [
          `let x${i}_${row} = ${memory}[${staged(row, `${RECORD_HEAD}u + ${step("turn")}`)}];`,
          ...readers.map((_, g) => dotLine(`i${row}_${g}`, `levels${i}_${g}`, `x${i}_${row}`)),
        ]),
      ]),
      "}",
      ...each((row, g) =>
        foldLines(weights, `a${row}_${g}`, `i${row}_${g}`, {
          scale: `w${g}scale`,
          minimum: `w${g}minimum`,
          rowScale: `scale${row}`,
          negativeSum: `negative${row}`,
        }).join("\n")
      ),
    ];
  };
  return {
    word: "u32",
    stage: (memory) => [
      `for (var i = lane; i < ${m * width}u; i += ${LANES}u) {`,
      `let row = i / ${width}u;`,
      `let within = round * ${width}u + i % ${width}u;`,
      `if (${inRow}) {`,
      `let place = row * ${rowWords}u + within;`,
      `${memory}[i] = bitcast<u32>(${x.at("place")});`,
      "}",
      "}",
    ],
    add,
  };
}

/** Where the parts of a tile lie in its memory. */
function regionsOf({ down, across }: Tile) {
  const [rows, columns] = [down * DOWN, across * ACROSS];
  const x = { start: 0, quads: rows };
  const w = { start: LEVEL_WORDS * rows, quads: columns };
  const rowScales = w.start + LEVEL_WORDS * columns;
  const negativeSums = rowScales + rows;
  const scales = negativeSums + rows;
  const minima = scales + columns;
  return { x, w, rowScales, negativeSums, scales, minima, vectors: minima + columns };
}

type Regions = ReturnType<typeof regionsOf>;

/** Statements that stage the records of a block of rows. */
function stageRows(
  { m, k }: IntegerProduct,
  xOperand: Operand,
  { x, rowScales, negativeSums }: Regions,
  memory: string,
): string[] {
  const blocks = k / BLOCK_COLUMNS;
  const rows = (quad: string, word: string) => [
    ...upTo(QUAD).map((r) =>
      `let place${r} = (min((${quad}) * ${QUAD}u + ${r}u, ${
        m - 1
      }u) * ${blocks}u + block) * ${RECORD_WORDS}u + ${word};`
    ),
    `let four = vec4<u32>(${
      upTo(QUAD).map((r) => `bitcast<u32>(${xOperand.at(`place${r}`)})`).join(", ")
    });`,
  ];
  return [
    `for (var i = lane; i < ${LEVEL_WORDS * x.quads}u; i += ${LANES}u) {`,
    `let step = i % ${LEVEL_WORDS}u;`,
    `let quad = i / ${LEVEL_WORDS}u;`,
    ...rows("rowQuad + quad", `${RECORD_HEAD}u + step`),
    `${memory}[${placeIn(x, "step", "quad")}] = four;`,
    "}",
    `if (lane < ${2 * x.quads}u) {`,
    `let quad = lane % ${x.quads}u;`,
    `let word = lane / ${x.quads}u;`,
    ...rows("rowQuad + quad", "word"),
    `${memory}[select(${negativeSums}u, ${rowScales}u, word == 0u) + quad] = four;`,
    "}",
  ];
}

/** Statements that stage a block of the weights. */
function stageWeights(
  product: IntegerProduct,
  words: Words,
  { w, scales, minima }: Regions,
  memory: string,
): string[] {
  const reader = levelReader(words, product, "w");
  return [
    "{",
    `let quad = lane % ${w.quads}u;`,
    ...reader.begin("(columnQuad + quad)", "block"),
    `if (lane < ${w.quads}u) {`,
    `${memory}[${scales}u + quad] = bitcast<vec4<u32>>(wscale);`,
    ...(product.weights === "integer_q4_1"
      ? [`${memory}[${minima}u + quad] = bitcast<vec4<u32>>(wminimum);`]
      : []),
    "}",
    `for (var turn = lane / ${w.quads}u; turn < ${reader.turns}u; turn += ${LANES / w.quads}u) {`,
    ...reader.lines("turn"),
    ...reader.values.flatMap((value, i) => [
      `let step${i} = ${value.step("turn")};`,
      `${memory}[${placeIn(w, `step${i}`, "quad")}] = ${value.words};`,
    ]),
    "}",
    "}",
  ];
}

/** Statements that multiply a staged block. */
function addBlock(
  { weights }: IntegerProduct,
  { down, across }: Tile,
  regions: Regions,
  memory: string,
): string[] {
  const { x, w, rowScales, negativeSums, scales, minima } = regions;
  const rowQuad = (i: number) => `lane / ${ACROSS}u + ${i * DOWN}u`;
  const columnQuad = (i: number) => `lane % ${ACROSS}u + ${i * ACROSS}u`;
  const rows = upTo(down * QUAD);
  const ofRow = (name: string, row: number) => `${name}${Math.floor(row / QUAD)}[${row % QUAD}]`;
  const each = (line: (row: number, i: number) => string): string[] =>
    rows.flatMap((row) => upTo(across).map((i) => line(row, i)));
  const vector = (start: number, quad: string) => `${memory}[${start}u + ${quad}]`;
  return [
    ...upTo(down).flatMap((i) => [
      `let rowScale${i} = bitcast<vec4<f32>>(${vector(rowScales, rowQuad(i))});`,
      `let negative${i} = bitcast<vec4<i32>>(${vector(negativeSums, rowQuad(i))});`,
    ]),
    ...each((row, i) => `var i${row}_${i} = ${firstSum(weights, ofRow("negative", row))};`),
    `for (var step = 0u; step < ${LEVEL_WORDS}u; step++) {`,
    ...upTo(down).map((i) => `let x${i} = ${memory}[${placeIn(x, "step", rowQuad(i))}];`),
    ...upTo(across).map((i) => `let y${i} = ${memory}[${placeIn(w, "step", columnQuad(i))}];`),
    ...each((row, i) => dotLine(`i${row}_${i}`, `y${i}`, ofRow("x", row))),
    "}",
    ...upTo(across).flatMap((i) => [
      `let scale${i} = bitcast<vec4<f32>>(${vector(scales, columnQuad(i))});`,
      ...(weights === "integer_q4_1"
        ? [`let minimum${i} = bitcast<vec4<f32>>(${vector(minima, columnQuad(i))});`]
        : []),
    ]),
    ...each((row, i) =>
      foldLines(weights, `a${row}_${i}`, `i${row}_${i}`, {
        scale: `scale${i}`,
        minimum: `minimum${i}`,
        rowScale: ofRow("rowScale", row),
        negativeSum: ofRow("negative", row),
      }).join("\n")
    ),
  ];
}

/** Lanes hold a sum in integers, a chain and a total per output, so their tiles are lower. */
const TILE: Tile = { down: 1, across: 2 };

function tiledIntegers(product: IntegerProduct, x: Operand, words: Words): TiledKernel {
  const regions = regionsOf(TILE);
  return {
    tile: TILE,
    word: "u32",
    vectors: regions.vectors,
    parts: 1,
    stage: (memory) => [
      ...stageRows(product, x, regions, memory),
      ...stageWeights(product, words, regions, memory),
    ],
    add: (memory) => addBlock(product, TILE, regions, memory),
  };
}

/** The part of a product with integer weights. */
export function integerMatmulPart(
  product: IntegerProduct,
  words: Words,
  frame: PartFrame,
): ShaderPart {
  const { m, n, k } = product;
  const shape = { batch: 1, m, n, k };
  const [x] = frame.inputs;
  return m > SKINNY_ROWS
    ? tiledPart(shape, tiledIntegers(product, x, words), frame)
    : skinnyPart(shape, skinnyIntegers(product, x, words), frame);
}
