/**
 * What the weights of a Llama-family model are called, here and in the two kinds of files.
 *
 * @module
 */

import type { LlamaConfig } from "../nn/llama_config.ts";
import { buildLlama } from "../nn/llama_parameters.ts";

/** Where a name is used: in the files of others, or our own, whose names are canonical. */
export type NamingScheme = ForeignScheme | "canonical";

/** A naming scheme other than ours. */
type ForeignScheme = "gguf" | "huggingFace";

/** Our name of a weight outside of the layers. */
const OUTER_NAMES: Readonly<Record<ForeignScheme, Readonly<Record<string, string>>>> = {
  gguf: {
    "token_embd.weight": "embedding",
    "output_norm.weight": "finalNorm",
    "output.weight": "head",
  },
  huggingFace: {
    "model.embed_tokens.weight": "embedding",
    "model.norm.weight": "finalNorm",
    "lm_head.weight": "head",
  },
};

/** Our name of a weight within a layer. */
const LAYER_NAMES: Readonly<Record<ForeignScheme, Readonly<Record<string, string>>>> = {
  gguf: {
    "attn_norm.weight": "attentionNorm",
    "attn_q.weight": "query",
    "attn_k.weight": "key",
    "attn_v.weight": "value",
    "attn_output.weight": "output",
    "ffn_norm.weight": "feedForwardNorm",
    "ffn_gate.weight": "gate",
    "ffn_up.weight": "up",
    "ffn_down.weight": "down",
  },
  huggingFace: {
    "input_layernorm.weight": "attentionNorm",
    "self_attn.q_proj.weight": "query",
    "self_attn.k_proj.weight": "key",
    "self_attn.v_proj.weight": "value",
    "self_attn.o_proj.weight": "output",
    "post_attention_layernorm.weight": "feedForwardNorm",
    "mlp.gate_proj.weight": "gate",
    "mlp.up_proj.weight": "up",
    "mlp.down_proj.weight": "down",
  },
};

const LAYER_PREFIX: Readonly<Record<ForeignScheme, RegExp>> = {
  gguf: /^blk\.(0|[1-9]\d*)\.(.+)$/,
  huggingFace: /^model\.layers\.(0|[1-9]\d*)\.(.+)$/,
};

/** Our name for a tensor of a file, or undefined if the family has no such weight. */
export function canonicalName(scheme: NamingScheme, name: string): string | undefined {
  if (scheme === "canonical") return name;
  if (Object.hasOwn(OUTER_NAMES[scheme], name)) return OUTER_NAMES[scheme][name];
  const [, layer, rest = ""] = LAYER_PREFIX[scheme].exec(name) ?? [];
  if (!Object.hasOwn(LAYER_NAMES[scheme], rest)) return undefined;
  return `layers.${layer}.${LAYER_NAMES[scheme][rest]}`;
}

/**
 * The GGUF name of each of our names, for writing a model of `layers` layers.
 *
 * @example
 * ```ts
 * import { ggufNames } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ggufNames(2).get("layers.1.query"), "blk.1.attn_q.weight");
 * ```
 */
export function ggufNames(layers: number): ReadonlyMap<string, string> {
  return fileNames("gguf", layers, "blk");
}

/** The Hugging Face name of each of our names, for writing a model of `layers` layers. */
export function huggingFaceNames(layers: number): ReadonlyMap<string, string> {
  return fileNames("huggingFace", layers, "model.layers");
}

function fileNames(
  scheme: ForeignScheme,
  layers: number,
  prefix: string,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [file, ours] of Object.entries(OUTER_NAMES[scheme])) names.set(ours, file);
  for (let i = 0; i < layers; i++) {
    for (const [file, ours] of Object.entries(LAYER_NAMES[scheme])) {
      names.set(`layers.${i}.${ours}`, `${prefix}.${i}.${file}`);
    }
  }
  return names;
}

/**
 * The shape of every weight of a model, by our name: matrices `[out, in]`, norms `[width]`.
 *
 * @example
 * ```ts
 * import { weightShapes } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const shapes = weightShapes({
 *   layers: 1, width: 8, heads: 2, keyValueHeads: 1, headWidth: 4, feedForwardWidth: 16,
 *   vocabulary: 32, contextLength: 64, ropeBase: 10000, ropePairing: "half",
 *   rmsNormEpsilon: 1e-5, tiedEmbeddings: true,
 * });
 * assertEquals(shapes.get("layers.0.key"), [4, 8]);
 * ```
 */
export function weightShapes(config: LlamaConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  buildLlama(config, ({ name, shape }) => shapes.set(name, shape));
  return shapes;
}
