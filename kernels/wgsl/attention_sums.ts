/**
 * Sums of attention over a part's entries: weights times the vectors that are stored in the slots.
 *
 * A lane adds four columns of a head at a time, so that a weight is loaded once for them. The sum of
 * an element is some chains over the part's entries, as many as the width of a head leaves lanes for:
 * of c chains number i has the entries i, i + c, ..., and the chains are added in order from 0.
 *
 * @module
 */
import {
  type AttentionSizes,
  elementsOfWord,
  headWords,
  lines,
  loadWord,
  numbers,
  slotWords,
  wordsPerLane,
  wordValues,
} from "./attention_rows.ts";
import { entryPlace, headsTogether } from "./attention_unit.ts";
import { LANES, type Operand, type PartFrame } from "./shader.ts";

/** One of the sums that a lane keeps over stored vectors. */
export interface LaneSum {
  /** The variable. */
  readonly name: string;
  /** Which of the heads taken together. */
  readonly head: number;
  /** Which of the lane's words, and which of its elements. */
  readonly word: number;
  readonly part: number;
  /** The element of the head, as a u32 expression. */
  readonly element: string;
}

/** All of them, their variables beginning with `name`. */
export function laneSums(spec: AttentionSizes, name: string): readonly LaneSum[] {
  return numbers(headsTogether(spec)).flatMap((head) =>
    numbers(wordsPerLane(spec)).flatMap((word) =>
      elementsOfWord(spec, laneWord(word)).map((element, part) => ({
        name: `${name}${head}_${word}_${part}`,
        head,
        word,
        part,
        element,
      }))
    )
  );
}

function laneWord(word: number): string {
  return word === 0 ? "lane" : `(lane + ${word * LANES}u)`;
}

/** The condition that a lane has its word number `word`. */
export function hasWord(spec: AttentionSizes, word: number): string {
  return `${laneWord(word)} < ${headWords(spec)}u`;
}

/** Columns of a head whose sums a lane finds together. */
const COLUMNS_TOGETHER = 4;
/** Entries that it takes at a time. */
const ENTRIES_UNROLLED = 2;

/**
 * How lanes share out the sums over a part: each has a quad of columns and every `chains`-th entry,
 * and the chains are added in order. Heads with more quads than lanes take several turns.
 */
function sumShares(spec: AttentionSizes) {
  const words = COLUMNS_TOGETHER / elementsOfWord(spec, "w").length;
  const quads = Math.ceil(headWords(spec) / words);
  const across = Math.max(1, Math.min(quads, LANES));
  const turns = Math.ceil(quads / LANES);
  return { words, across, turns, chains: Math.floor(LANES / across) };
}

/** Declares the workgroup memory of {@link weightedSums}. */
export function sumDeclarations({ prefix }: PartFrame): string {
  return `var<workgroup> ${prefix}chains: array<vec4<f32>, ${LANES}>;`;
}

/** Operands of {@link weightedSums}. */
interface WeightedSums {
  /** The workgroup array of weights per entry. */
  readonly weights: string;
  readonly stored: Operand;
  /** What the results' names begin with. */
  readonly name: string;
}

/** Statements of the lane's chains for the quads of a turn: `chain<h>` of every head. */
function chainCode(
  frame: PartFrame,
  spec: AttentionSizes,
  { weights, stored }: WeightedSums,
  turn: number,
): string {
  const { words, across, chains } = sumShares(spec);
  const heads = numbers(headsTogether(spec));
  const last = headWords(spec) - 1;
  const add = (entry: string, tag: number): string => {
    const loaded = numbers(words).map((k) =>
      `let word${tag}_${k} = ${loadWord(stored, spec, `at${tag} + min(word0 + ${k}u, ${last}u)`)};`
    );
    const values = numbers(words).flatMap((k) => wordValues(frame, spec, `word${tag}_${k}`));
    return [
      `let at${tag} = ${frame.prefix}slot(seen, first + ${entry}) * ${
        slotWords(spec)
      }u + headStart;`,
      ...loaded,
      `let values${tag} = vec4<f32>(${values.join(", ")});`,
      ...heads.map((h) => {
        const weight = `${frame.prefix}${weights}[${entryPlace(spec, h, entry)}]`;
        return `chain${h} = fma(vec4<f32>(${weight}), values${tag}, chain${h});`;
      }),
    ].join("\n");
  };
  return `${heads.map((h) => `var chain${h} = vec4<f32>();`).join("\n")}
if (lane < ${across * chains}u) {
  let word0 = (lane % ${across}u + ${turn * LANES}u) * ${words}u;
  let headStart = shared_head * ${headWords(spec)}u;
  var entry = lane / ${across}u;
  for (; entry + ${(ENTRIES_UNROLLED - 1) * chains}u < count; entry += ${
    ENTRIES_UNROLLED * chains
  }u) {
${lines(ENTRIES_UNROLLED, (i) => add(`(entry + ${i * chains}u)`, i))}
  }
  for (; entry < count; entry += ${chains}u) {
${add("entry", 0)}
  }
}`;
}

/**
 * Declares `${name}..`: sums over the part of weights in the array of entries times the stored
 * vectors. All lanes have to come here.
 */
export function weightedSums(
  frame: PartFrame,
  spec: AttentionSizes,
  operands: WeightedSums,
): string {
  const { words, across, turns, chains } = sumShares(spec);
  const { prefix } = frame;
  const all = laneSums(spec, operands.name);
  const perTurn = words * LANES;
  const ofTurn = (turn: number, h: number) =>
    all.filter(({ head, word }) => head === h && Math.floor(word * LANES / perTurn) === turn);
  const joined = (turn: number, { name, word, part }: LaneSum): string => {
    const within = `(lane + ${word * LANES - turn * perTurn}u)`;
    const place = words === 1 ? within : `${within} / ${words}u`;
    const column = `${within} % ${words}u * ${COLUMNS_TOGETHER / words}u + ${part}u`;
    const chain = (c: number) => `${prefix}chains[${place} + ${c * across}u][${column}]`;
    return lines(chains, (c) => `${name} += ${chain(c)};`);
  };
  const turnCode = (turn: number): string =>
    `{
${chainCode(frame, spec, operands, turn)}
${
      numbers(headsTogether(spec)).map((h) =>
        `workgroupBarrier();
${prefix}chains[lane] = chain${h};
workgroupBarrier();
${
          ofTurn(turn, h).map((sum) => `if (${hasWord(spec, sum.word)}) {\n${joined(turn, sum)}\n}`)
            .join("\n")
        }`
      ).join("\n")
    }
}`;
  return `${all.map(({ name }) => `var ${name} = 0.0;`).join("\n")}
${lines(turns, turnCode)}`;
}
