/**
 * The element types of a kernel's arguments.
 *
 * @module
 */
import { type DType, isInteger, isPacked } from "../../src/core/dtype.ts";
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import type { GpuKernelSpec } from "./dispatch.ts";

function attentionOperands(
  { storage, extras }: Pick<AttentionSpec, "storage" | "extras">,
): DType[] {
  const stored = storage === "f32" ? "f32" : "i32";
  return ["f32", stored, stored, "i32", "i32", ...(extras > 0 ? ["i32" as const] : [])];
}

/** One type per argument, in the spec's order; packed weights and quantised rows count as i32 words. */
export function argumentTypes(spec: GpuKernelSpec): readonly DType[] {
  switch (spec.family) {
    case "map":
    case "reduce":
      return [...spec.inputs.map(({ type }) => type), spec.output.type];
    case "matmul":
      return ["f32", "f32", "f32"];
    case "packedMatmul":
      return [isInteger(spec.weights) ? "i32" : "f32", "i32", "f32"];
    case "quantize":
      return ["f32", "i32"];
    case "dequantize":
      return ["i32", "f32"];
    case "pack":
      return ["i32", "i32"];
    case "gather": {
      const type = isPacked(spec.table) ? "f32" : spec.table;
      return [isPacked(spec.table) ? "i32" : type, "i32", type];
    }
    case "scatter":
      return ["i32", spec.type, spec.type];
    case "attention":
    case "attentionParts":
      return [...attentionOperands(spec), "f32"];
    case "attentionJoin":
      return ["f32", "i32", "i32", ...(spec.extras > 0 ? ["i32" as const] : []), "f32"];
    case "attentionStatistics":
      return [...attentionOperands(spec), "f32", "f32"];
    case "attentionGrad":
      return [...attentionOperands(spec), "f32", "f32", "f32"];
  }
}
