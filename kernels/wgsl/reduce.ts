/**
 * reduce: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function reducePart(_spec: ReduceSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of reduce", "none", "use another backend");
}
