/**
 * dequantize: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { DequantizeSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function dequantizePart(_spec: DequantizeSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of dequantize", "none", "use another backend");
}
