/**
 * attention: out[r, h, :] = sum_i softmax(s)_i value[slot_i, g, :] with
 * s_i = scale * query[r, h, :] . key[slot_i, g, :] over the slots that row r sees.
 *
 * A group is one row and the query heads that are taken together; it takes the parts of the row's
 * entries in turn.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import { halfDeclarations, numbers, rowDeclarations } from "./attention_rows.ts";
import {
  foldDeclarations,
  joinSoftmax,
  joinSums,
  LOWEST,
  reciprocal,
} from "./attention_softmax.ts";
import { hasWord, laneSums, sumDeclarations, weightedSums } from "./attention_sums.ts";
import {
  entryElements,
  headElements,
  headsTogether,
  loadHeads,
  partSoftmax,
  unitOfRow,
  unitsOfRow,
  workgroupArray,
} from "./attention_unit.ts";
import { writeNewRows } from "./attention_writes.ts";
import { LANES, type PartFrame, type ShaderPart } from "./shader.ts";

/** Declarations of the kernels that take parts of a row. */
export function partDeclarations(frame: PartFrame, spec: Omit<AttentionSpec, "family">): string {
  return [
    rowDeclarations(frame, spec, 3),
    sumDeclarations(frame),
    halfDeclarations(frame, spec),
    workgroupArray(frame, "query", headElements(spec)),
    workgroupArray(frame, "scores", entryElements(spec)),
    foldDeclarations(frame.prefix, headsTogether(spec)),
  ].join("\n");
}

/** Generates the part. */
export function attentionPart(spec: AttentionSpec, frame: PartFrame): ShaderPart {
  const { prefix, inputs: [query, key, value], result } = frame;
  const heads = numbers(headsTogether(spec));
  const outs = laneSums(spec, "out");
  const sums = laneSums(spec, "sums");
  const finish = outs.map(({ name, head, word, element }) => {
    const place = `(row * ${spec.heads}u + head + ${head}u) * ${spec.headWidth}u + ${element}`;
    return `if (${hasWord(spec, word)}) { ${result.store(place, `${name} * factor${head}`)} }`;
  });
  return {
    lanes: LANES,
    groups: spec.headWidth === 0 ? 0 : spec.rows * unitsOfRow(spec),
    declarations: partDeclarations(frame, spec),
    body: `${unitOfRow(spec, "group")}
${writeNewRows(spec, [key, value])}
let seen = ${prefix}seen(row, lane);
${loadHeads(frame, spec, query, "query")}
${heads.map((h) => `var seenLargest${h} = f32(${LOWEST});\nvar seenSum${h} = 0.0;`).join("\n")}
${outs.map(({ name }) => `var ${name} = 0.0;`).join("\n")}
for (var first = 0u; first < seen.z; first += ${ATTENTION_PART}u) {
let count = min(${ATTENTION_PART}u, seen.z - first);
workgroupBarrier();
${partSoftmax(frame, spec, key)}
${weightedSums(frame, spec, { weights: "scores", stored: value, name: "sums" })}
${heads.map((h) => joinSoftmax(h, `largest${h}`, `sum${h}`)).join("\n")}
${outs.map(({ name, head }, i) => joinSums(name, head, sums[i].name)).join("\n")}
}
${heads.map((h) => `let factor${h} = ${reciprocal(`seenSum${h}`)};`).join("\n")}
${finish.join("\n")}`,
  };
}
