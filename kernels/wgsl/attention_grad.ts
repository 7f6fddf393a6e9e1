/**
 * attentionGrad: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { AttentionGradSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function attentionGradPart(_spec: AttentionGradSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of attentionGrad", "none", "use another backend");
}
