/**
 * dequantize: out[n, k] = the f32 value of the packed matrix w; one lane per element.
 *
 * @module
 */
import type { DequantizeSpec } from "../../src/plan/kernel_spec.ts";
import { packedElement } from "./packed_element.ts";
import { boundWords, LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

/** Generates the part that decodes a packed matrix. */
export function dequantizePart(
  { weights, n, k }: DequantizeSpec,
  { prefix, inputs, result }: PartFrame,
): ShaderPart {
  const count = n * k;
  if (count === 0) return NOTHING;
  const name = `${prefix}element`;
  const body = [
    `let i = group * ${LANES}u + lane;`,
    `if (i < ${count}u) {`,
    result.store("i", `${name}(i / ${k}u, i % ${k}u)`),
    "}",
  ];
  return {
    lanes: LANES,
    groups: Math.ceil(count / LANES),
    declarations: packedElement(weights, k, boundWords(inputs[0]), name),
    body: body.join("\n"),
  };
}
