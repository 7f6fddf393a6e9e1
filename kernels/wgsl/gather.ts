/**
 * gather: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { GatherSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function gatherPart(_spec: GatherSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of gather", "none", "use another backend");
}
