/**
 * What the gradients of attention need of every row and head: the largest score, 1 / sum of
 * e^(score - largest), and sum_j P_j dP_j with dP_j = dOut . value_j.
 *
 * Every lane has an online softmax of its own entries lane, lane + 64, ... in order; they are brought
 * to the largest score of all and summed in the order of `foldLanes`.
 *
 * @module
 */
import { halfDeclarations, numbers, rowDeclarations } from "./attention_rows.ts";
import {
  foldDeclarations,
  foldLanes,
  larger,
  LOWEST,
  reciprocal,
  sum,
} from "./attention_softmax.ts";
import {
  eachEntry,
  headElements,
  headsTogether,
  loadHeads,
  unitOfRow,
  unitsOfRow,
  workgroupArray,
} from "./attention_unit.ts";
import type { AttentionStatisticsSpec } from "./dispatch.ts";
import { floatText } from "./literals.ts";
import { LANES, type PartFrame, type ShaderPart } from "./shader.ts";

/** Elements that a row and head has in the statistics. */
export const STATISTICS = 3;

/** Takes an entry into the lane's online softmax of head `h`. */
function takeEntry(h: number, e: number, scale: number): string {
  return `let score = score${h}_${e} * ${floatText(scale)};
let both = max(largest${h}, score);
let before = exp_f32(largest${h} - both);
let grown = exp_f32(score - both);
largest${h} = both;
sum${h} = fma(sum${h}, before, grown);
reward${h} = fma(reward${h}, before, grown * reward${h}_${e});`;
}

/** Generates the part: a group is one row and the query heads that are taken together. */
export function attentionStatisticsPart(
  spec: AttentionStatisticsSpec,
  frame: PartFrame,
): ShaderPart {
  const { prefix, inputs, result } = frame;
  const [query, key, value] = inputs;
  const gradient = inputs[inputs.length - 1];
  const heads = numbers(headsTogether(spec));
  const products = [
    { vectors: "query", stored: key, name: "score" },
    { vectors: "gradient", stored: value, name: "reward" },
  ];
  const take = (e: number): string =>
    heads.map((h) => `{\n${takeEntry(h, e, spec.scale)}\n}`).join("\n");
  const store = (h: number): string => {
    const place = `(row * ${spec.heads}u + head + ${h}u) * ${STATISTICS}u`;
    return `let factor${h} = ${reciprocal(`sum${h}`)};
${result.store(place, `all${h}`)}
${result.store(`${place} + 1u`, `factor${h}`)}
${result.store(`${place} + 2u`, `reward${h} * factor${h}`)}`;
  };
  return {
    lanes: LANES,
    groups: spec.rows * unitsOfRow(spec),
    declarations: [
      rowDeclarations(frame, spec, 3),
      halfDeclarations(frame, spec),
      workgroupArray(frame, "query", headElements(spec)),
      workgroupArray(frame, "gradient", headElements(spec)),
      foldDeclarations(prefix, 2 * headsTogether(spec)),
    ].join("\n"),
    body: `${unitOfRow(spec, "group")}
let seen = ${prefix}seen(row, lane);
${loadHeads(frame, spec, query, "query")}
${loadHeads(frame, spec, gradient, "gradient")}
workgroupBarrier();
${
      heads.map((h) =>
        `var largest${h} = f32(${LOWEST});\nvar sum${h} = 0.0;\nvar reward${h} = 0.0;`
      )
        .join("\n")
    }
let first = 0u;
let count = seen.z;
${eachEntry(frame, spec, products, take)}
${heads.map((h) => `var all${h} = largest${h};`).join("\n")}
${foldLanes(prefix, heads.map((h) => `all${h}`), larger)}
${
      heads.map((h) =>
        `let own${h} = exp_f32(largest${h} - all${h});
sum${h} *= own${h};
reward${h} *= own${h};`
      ).join("\n")
    }
${foldLanes(prefix, heads.flatMap((h) => [`sum${h}`, `reward${h}`]), sum)}
if (lane == 0u) {
${heads.map(store).join("\n")}
}`,
  };
}
