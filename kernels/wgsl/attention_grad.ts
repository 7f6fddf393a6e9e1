/**
 * attentionGrad: the gradient of attention for one operand, given dOut and the rows' statistics. With
 * P = softmax(s), dP_i = dOut . value_i and dS = P (dP - sum_j P_j dP_j):
 *   dQuery = scale sum_i dS_i key_i      dKey = scale sum_{r,h} dS query      dValue = sum P dOut
 *
 * For the query a group is one row and the query heads that are taken together. For key and value it
 * is some slots of one key/value head, as `attention_slot_grad.ts` has it.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import type { AttentionGradSpec } from "../../src/plan/kernel_spec.ts";
import { halfDeclarations, numbers, rowDeclarations } from "./attention_rows.ts";
import { slotGradient, type SlotTargets } from "./attention_slot_grad.ts";
import { STATISTICS } from "./attention_statistics.ts";
import { hasWord, laneSums, sumDeclarations, weightedSums } from "./attention_sums.ts";
import {
  eachEntry,
  entryElements,
  entryPlace,
  headElements,
  headsTogether,
  loadHeads,
  unitOfRow,
  unitsOfRow,
  workgroupArray,
} from "./attention_unit.ts";
import { floatText } from "./literals.ts";
import { LANES, type PartFrame, type ShaderPart } from "./shader.ts";

/** The gradient for the query, of one group. */
function queryGradient(spec: AttentionGradSpec, frame: PartFrame): string {
  const { prefix, inputs, result } = frame;
  const [query, key, value] = inputs;
  const [gradient, statistics] = inputs.slice(-2);
  const heads = numbers(headsTogether(spec));
  const outs = laneSums(spec, "out");
  const sums = laneSums(spec, "sums");
  const scale = floatText(spec.scale);
  const statistic = (h: number, which: number): string =>
    statistics.at(`(row * ${spec.heads}u + head + ${h}u) * ${STATISTICS}u + ${which}u`);
  const products = [
    { vectors: "query", stored: key, name: "score" },
    { vectors: "gradient", stored: value, name: "reward" },
  ];
  const visit = (e: number): string =>
    heads.map((h) =>
      `let chance${h} = exp_f32(min(score${h}_${e} * ${scale} - largest${h}, 0.0)) * factor${h};
${prefix}scores[${
        entryPlace(spec, h, `entry${e}`)
      }] = chance${h} * (reward${h}_${e} - mean${h}) * ${scale};`
    ).join("\n");
  const stores = outs.map(({ name, head, word, element }) => {
    const place = `(row * ${spec.heads}u + head + ${head}u) * ${spec.headWidth}u + ${element}`;
    return `if (${hasWord(spec, word)}) { ${result.store(place, name)} }`;
  });
  return `${unitOfRow(spec, "group")}
let seen = ${prefix}seen(row, lane);
${loadHeads(frame, spec, query, "query")}
${loadHeads(frame, spec, gradient, "gradient")}
${
    heads.map((h) =>
      `let largest${h} = ${statistic(h, 0)};
let factor${h} = ${statistic(h, 1)};
let mean${h} = ${statistic(h, 2)};`
    ).join("\n")
  }
${outs.map(({ name }) => `var ${name} = 0.0;`).join("\n")}
for (var first = 0u; first < seen.z; first += ${ATTENTION_PART}u) {
let count = min(${ATTENTION_PART}u, seen.z - first);
workgroupBarrier();
${eachEntry(frame, spec, products, visit)}
workgroupBarrier();
${weightedSums(frame, spec, { weights: "scores", stored: key, name: "sums" })}
${outs.map(({ name }, i) => `${name} += ${sums[i].name};`).join("\n")}
}
${stores.join("\n")}`;
}

/** Where the gradients begin in the output; undefined where one is not wanted. */
function targetsOf(spec: AttentionGradSpec): SlotTargets & { readonly query: number | undefined } {
  const { rows, slots, heads, keyValueHeads, headWidth, operand } = spec;
  const all = operand === "all";
  const queries = rows * heads * headWidth;
  return {
    query: all || operand === "query" ? 0 : undefined,
    key: all ? queries : operand === "key" ? 0 : undefined,
    value: all ? queries + slots * keyValueHeads * headWidth : operand === "value" ? 0 : undefined,
  };
}

/** Generates the part. */
export function attentionGradPart(spec: AttentionGradSpec, frame: PartFrame): ShaderPart {
  const targets = targetsOf(spec);
  const ofRows = targets.query === undefined ? 0 : spec.rows * unitsOfRow(spec);
  const ofSlots = slotGradient(spec, frame, targets);
  const sizes = targets.query === undefined
    ? { vectors: 1, scores: 1 }
    : { vectors: headElements(spec), scores: entryElements(spec) };
  const groups = ofRows + ofSlots.groups;
  const vectors = Math.max(sizes.vectors, ofSlots.vectors);
  return {
    lanes: LANES,
    groups: spec.headWidth === 0 ? 0 : groups,
    declarations: [
      rowDeclarations(frame, spec, 3),
      sumDeclarations(frame),
      halfDeclarations(frame, spec),
      workgroupArray(frame, "query", vectors),
      workgroupArray(frame, "gradient", vectors),
      workgroupArray(frame, "scores", Math.max(sizes.scores, ofSlots.scores)),
      ofSlots.declarations,
    ].join("\n"),
    body: [
      ...(ofRows > 0
        ? [`if (group < ${ofRows}u) {\n${queryGradient(spec, frame)}\nreturn;\n}`]
        : []),
      ...(ofSlots.groups > 0 ? [`let unit = group - ${ofRows}u;\n${ofSlots.body}`] : []),
    ].join("\n"),
  };
}
