/**
 * Kernel specs to WGSL: one generator per family, in a total table.
 *
 * @module
 */
import { OutriderError } from "../../src/core/errors.ts";
import { argumentTypes } from "./arguments.ts";
import { attentionPart } from "./attention.ts";
import { attentionGradPart } from "./attention_grad.ts";
import { attentionStatisticsPart } from "./attention_statistics.ts";
import { attentionJoinPart, attentionPartsPart } from "./attention_split.ts";
import { dequantizePart } from "./dequantize.ts";
import type { DispatchSpec, GpuKernelSpec, PartSpec } from "./dispatch.ts";
import { gatherPart } from "./gather.ts";
import { libraryFor } from "./library.ts";
import { mapPart } from "./map.ts";
import { matmulPart } from "./matmul.ts";
import { needsOf, operandOf, resultOf } from "./operand.ts";
import { packedMatmulPart } from "./packed_matmul.ts";
import { quantizePart } from "./quantize.ts";
import { reducePart } from "./reduce.ts";
import { scatterPart } from "./scatter.ts";
import {
  type GpuFeatures,
  joinParts,
  type PartFrame,
  partPrefix,
  type Shader,
  type ShaderPart,
} from "./shader.ts";
import { workgroupBytes } from "./workgroup.ts";

export type {
  AttentionStatisticsSpec,
  BindingSpec,
  DispatchSpec,
  GpuKernelSpec,
  MapBehind,
  OperandSpec,
  PartSpec,
  ResultSpec,
} from "./dispatch.ts";
export { STATISTICS } from "./attention_statistics.ts";
export type { GpuFeatures, Shader } from "./shader.ts";
export { argumentTypes } from "./arguments.ts";
export { ownsKeys } from "./attention_writes.ts";

type KernelFamily = GpuKernelSpec["family"];

type Generator<Family extends KernelFamily> = (
  spec: Extract<GpuKernelSpec, { readonly family: Family }>,
  frame: PartFrame,
) => ShaderPart;

const GENERATORS: { readonly [Family in KernelFamily]: Generator<Family> } = {
  map: mapPart,
  reduce: reducePart,
  matmul: matmulPart,
  packedMatmul: packedMatmulPart,
  quantize: quantizePart,
  dequantize: dequantizePart,
  pack: () => {
    throw new OutriderError("matrices packed on the host", "a pack kernel", "pack and write them");
  },
  gather: gatherPart,
  scatter: scatterPart,
  attention: attentionPart,
  attentionParts: attentionPartsPart,
  attentionJoin: attentionJoinPart,
  attentionStatistics: attentionStatisticsPart,
  attentionGrad: attentionGradPart,
};

function generate<Family extends KernelFamily>(
  family: Family,
  spec: Extract<GpuKernelSpec, { readonly family: Family }>,
  frame: PartFrame,
): ShaderPart {
  return GENERATORS[family](spec, frame);
}

function partOf(
  { kernel, operands, result }: PartSpec,
  place: number,
  { bindings }: DispatchSpec,
  features: GpuFeatures,
): ShaderPart {
  const types = argumentTypes(kernel);
  const prefix = partPrefix(place);
  const scope = { bindings, features };
  const inputs = operands.map((operand, i) =>
    operandOf(operand, scope, types[i], `${prefix}operand${i}`)
  );
  const output = resultOf(result, scope, types[types.length - 1], `${prefix}sink`);
  const part = generate(kernel.family, kernel, {
    prefix,
    features,
    inputs: inputs.map(({ argument }) => argument),
    result: output.argument,
  });
  const { declarations, prologue } = needsOf([...inputs, output]);
  return {
    ...part,
    declarations: [...declarations, part.declarations].join("\n"),
    body: [...prologue, part.body].join("\n"),
  };
}

/** What the one part of a dispatch takes of a shader. */
export function partSize(
  dispatch: DispatchSpec,
  features: GpuFeatures,
): { readonly lanes: number; readonly workgroupBytes: number } {
  const part = partOf(dispatch.parts[0], 0, dispatch, features);
  return { lanes: part.lanes, workgroupBytes: workgroupBytes(part) };
}

/** Generates the shader of a dispatch; its parts have equal numbers of lanes. */
export function generateShader(dispatch: DispatchSpec, features: GpuFeatures): Shader {
  const parts = dispatch.parts.map((part, i) => partOf(part, i, dispatch, features));
  const code = parts.map(({ declarations, body }) => `${declarations}\n${body}`).join("\n");
  return joinParts(parts, dispatch.bindings, libraryFor(code));
}
