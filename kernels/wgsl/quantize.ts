/**
 * quantize: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { QuantizeSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function quantizePart(_spec: QuantizeSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of quantize", "none", "use another backend");
}
