/**
 * Kernel specs to WebAssembly: one generator per family, in a total table.
 *
 * @module
 */
import type { KernelFamily, KernelSpec } from "../../src/plan/kernel_spec.ts";
import { attentionKernel } from "./attention.ts";
import { attentionGradKernel } from "./attention_grad.ts";
import { attentionJoinKernel, attentionPartsKernel } from "./attention_split.ts";
import { dequantizeKernel } from "./dequantize.ts";
import { gatherKernel } from "./gather.ts";
import type { Features, Kernel } from "./kernel.ts";
import { mapKernel } from "./map.ts";
import { matmulKernel } from "./matmul.ts";
import { packKernel } from "./pack.ts";
import { packedMatmulKernel } from "./packed_matmul.ts";
import { quantizeKernel } from "./quantize.ts";
import { reduceKernel } from "./reduce.ts";
import { scatterKernel } from "./scatter.ts";

export {
  type Features,
  type Kernel,
  probeFeatures,
  type Vectors,
  withoutRelaxed,
} from "./kernel.ts";

type Generator<Family extends KernelFamily> = (
  spec: Extract<KernelSpec, { readonly family: Family }>,
  features: Features,
) => Kernel;

const GENERATORS: { readonly [Family in KernelFamily]: Generator<Family> } = {
  map: mapKernel,
  reduce: reduceKernel,
  matmul: matmulKernel,
  packedMatmul: packedMatmulKernel,
  quantize: quantizeKernel,
  dequantize: dequantizeKernel,
  pack: packKernel,
  gather: gatherKernel,
  scatter: scatterKernel,
  attention: attentionKernel,
  attentionParts: attentionPartsKernel,
  attentionJoin: attentionJoinKernel,
  attentionGrad: attentionGradKernel,
};

function generate<Family extends KernelFamily>(
  family: Family,
  spec: Extract<KernelSpec, { readonly family: Family }>,
  features: Features,
): Kernel {
  return GENERATORS[family](spec, features);
}

/** Generates the WebAssembly module of a spec. */
export function generateKernel(spec: KernelSpec, features: Features): Kernel {
  return generate(spec.family, spec, features);
}
