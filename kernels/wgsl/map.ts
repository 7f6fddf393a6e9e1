/**
 * map: out[i] = body(inputs[i]) for every index i of the shape, one lane per element.
 *
 * @module
 */
import { axesOf, coalesce, positions } from "../../src/core/axes.ts";
import type { MapSpec } from "../../src/plan/kernel_spec.ts";
import { accessCursor, elementCode, placeText, sourceCursors } from "./elements.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";
import { walkCode } from "./walk.ts";

/** Generates the part of a map. */
export function mapPart(spec: MapSpec, { inputs, result }: PartFrame): ShaderPart {
  const cursors = [...sourceCursors(spec.shape.length, spec), accessCursor(spec.output)];
  const axes = coalesce(axesOf(spec.shape, cursors.map(({ steps }) => steps)));
  const count = positions(axes);
  if (count === 0) return NOTHING;
  const walk = walkCode(axes, "i", "c");
  const places = cursors.map((cursor, i) => placeText(cursor, walk.places[i] ?? "0u"));
  const { lines, value } = elementCode(spec, inputs, places);
  const target = places[places.length - 1];
  const statements = [...walk.lines, ...lines, result.store(target, value)];
  const body = [
    `let i = group * ${LANES}u + lane;`,
    `if (i < ${count}u) {`,
    ...statements,
    "}",
  ];
  return {
    lanes: LANES,
    groups: Math.ceil(count / LANES),
    declarations: "",
    body: body.join("\n"),
  };
}
