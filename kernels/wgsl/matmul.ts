/**
 * matmul: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { MatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function matmulPart(_spec: MatmulSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of matmul", "none", "use another backend");
}
