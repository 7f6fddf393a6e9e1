/**
 * gather: out[r, :] = table[indices[r], :], zeros where the index is outside the table; one lane per
 * element.
 *
 * @module
 */
import { isPacked } from "../../src/core/dtype.ts";
import type { GatherSpec } from "../../src/plan/kernel_spec.ts";
import { packedElement } from "./packed_element.ts";
import { boundWords, heldType, LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

/** Generates the part of a gather. */
export function gatherPart(spec: GatherSpec, { prefix, inputs, result }: PartFrame): ShaderPart {
  const { table, tableRows, rows, width } = spec;
  const count = rows * width;
  if (count === 0) return NOTHING;
  const [source, indices] = inputs;
  const declarations = isPacked(table)
    ? packedElement(table, width, boundWords(source), `${prefix}element`)
    : "";
  const element = isPacked(table)
    ? `${prefix}element(row, column)`
    : source.at(`row * ${width}u + column`);
  const body = [
    `let i = group * ${LANES}u + lane;`,
    `if (i < ${count}u) {`,
    `let column = i % ${width}u;`,
    `let row = bitcast<u32>(${indices.at(`i / ${width}u`)});`,
    `var value = ${heldType(result.type)}(0);`,
    `if (row < ${tableRows}u) { value = ${element}; }`,
    result.store("i", "value"),
    "}",
  ];
  return {
    lanes: LANES,
    groups: Math.ceil(count / LANES),
    declarations,
    body: body.join("\n"),
  };
}
