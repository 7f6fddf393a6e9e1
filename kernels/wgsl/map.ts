/**
 * map: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { MapSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function mapPart(_spec: MapSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of map", "none", "use another backend");
}
