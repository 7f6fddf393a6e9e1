/**
 * scatter: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { ScatterSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function scatterPart(_spec: ScatterSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of scatter", "none", "use another backend");
}
