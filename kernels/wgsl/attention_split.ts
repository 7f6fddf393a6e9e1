/**
 * attentionParts: not there yet.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import type { AttentionJoinSpec, AttentionPartsSpec } from "../../src/plan/kernel_spec.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

/** Generates the part. */
export function attentionPartsPart(_spec: AttentionPartsSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of attentionParts", "none", "use another backend");
}

/** Generates the part. */
export function attentionJoinPart(_spec: AttentionJoinSpec, _frame: PartFrame): ShaderPart {
  throw new OutriderError("a WGSL kernel of attentionJoin", "none", "use another backend");
}
