/**
 * attention: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function attentionPart(_spec: AttentionSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of attention", "none", "use another backend");
}
