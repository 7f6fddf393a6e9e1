/**
 * packedMatmul: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function packedMatmulPart(_spec: PackedMatmulSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of packedMatmul", "none", "use another backend");
}
