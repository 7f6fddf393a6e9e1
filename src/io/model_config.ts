/**
 * The sizes of a Llama-family model, out of GGUF metadata or a Hugging Face config.json.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import { checkAttention, checkCounts } from "./config_checks.ts";
import { ggufNumber, ggufString, required } from "./gguf_fields.ts";
import type { GgufMetadata } from "./gguf_types.ts";
import {
  asNumber,
  asObject,
  field,
  isObject,
  type Json,
  type JsonObject,
  shortJson,
} from "./json_fields.ts";
import { quote } from "./quote.ts";

const CURE = "use a Llama-family model";

/** Sizes that must be whole numbers from 1 up. */
const COUNT_FIELDS = [
  "layers",
  "width",
  "heads",
  "keyValueHeads",
  "headWidth",
  "feedForwardWidth",
  "vocabulary",
  "contextLength",
] as const;

/**
 * Checks that the sizes of a configuration make sense together.
 *
 * @throws {OutriderError} that names the first that does not.
 * @example
 * ```ts
 * import { checkConfig } from "@outrider/outrider/io";
 * import { assertThrows } from "@std/assert";
 *
 * const config = {
 *   layers: 1, width: 8, heads: 3, keyValueHeads: 2, headWidth: 4, feedForwardWidth: 16,
 *   vocabulary: 32, contextLength: 64, ropeBase: 10000, rmsNormEpsilon: 1e-5,
 *   ropePairing: "half", tiedEmbeddings: true,
 * } as const;
 * assertThrows(() => checkConfig(config), Error, "keyValueHeads that divide 3");
 * ```
 */
export function checkConfig(config: LlamaConfig): LlamaConfig {
  checkCounts(config, COUNT_FIELDS);
  checkAttention(config);
  return config;
}

function refuseGguf(metadata: GgufMetadata, headWidth: number): void {
  const refuse = (what: string, found: string): never => {
    throw new OutriderError(what, found, CURE);
  };
  const scaling = ggufString(metadata, "llama.rope.scaling.type") ?? "none";
  if (scaling !== "none") refuse("no rope scaling", quote(scaling));
  const rotated = ggufNumber(metadata, "llama.rope.dimension_count") ?? headWidth;
  if (rotated !== headWidth) refuse(`rope over all ${headWidth} of a head`, `${rotated}`);
  const valueWidth = ggufNumber(metadata, "llama.attention.value_length") ?? headWidth;
  if (valueWidth !== headWidth) refuse(`values of ${headWidth} per head`, `${valueWidth}`);
  const experts = ggufNumber(metadata, "llama.expert_count") ?? 0;
  if (experts !== 0) refuse("one feed-forward layer", `${experts} experts`);
}

/**
 * The configuration of a GGUF file of architecture "llama". Its query and key rows are permuted, so
 * that rotation pairs neighbouring elements.
 *
 * @throws {OutriderError} when a key is missing or a feature is not supported.
 * @example
 * ```ts
 * import { configFromGguf } from "@outrider/outrider/io";
 * import { assertThrows } from "@std/assert";
 *
 * const metadata = new Map([["general.architecture", { type: "string", value: "bert" } as const]]);
 * const sizes = { vocabulary: 32, tiedEmbeddings: true };
 * assertThrows(() => configFromGguf(metadata, sizes), Error, "bert");
 * ```
 */
export function configFromGguf(
  metadata: GgufMetadata,
  { vocabulary, tiedEmbeddings }: Pick<LlamaConfig, "vocabulary" | "tiedEmbeddings">,
): LlamaConfig {
  const architecture = ggufString(metadata, "general.architecture");
  if (architecture !== "llama") {
    throw new OutriderError(`the architecture "llama"`, quote(architecture ?? ""), CURE);
  }
  const optional = (key: string): number | undefined => ggufNumber(metadata, `llama.${key}`);
  const number = (key: string): number => required(optional(key), `llama.${key}`);
  const heads = number("attention.head_count");
  const width = number("embedding_length");
  const config = checkConfig({
    layers: number("block_count"),
    width,
    heads,
    keyValueHeads: optional("attention.head_count_kv") ?? heads,
    headWidth: optional("attention.key_length") ?? width / heads,
    feedForwardWidth: number("feed_forward_length"),
    vocabulary,
    contextLength: number("context_length"),
    ropeBase: optional("rope.freq_base") ?? 10_000,
    ropePairing: "interleaved",
    rmsNormEpsilon: number("attention.layer_norm_rms_epsilon"),
    tiedEmbeddings,
  });
  refuseGguf(metadata, config.headWidth);
  return config;
}

/** The rope base, from either place where it may stand; scaled rope is refused. */
function readRope(root: JsonObject): number {
  const parameters = field(root, "rope_parameters");
  const scaling = field(root, "rope_scaling") ?? parameters;
  if (isObject(scaling)) {
    const type = field(scaling, "rope_type") ?? field(scaling, "type") ?? "default";
    if (type !== "default") {
      throw new OutriderError("no rope scaling in config.json", shortJson(type), CURE);
    }
  }
  const base = field(root, "rope_theta") ??
    (isObject(parameters) ? field(parameters, "rope_theta") : undefined);
  return asNumber(base ?? 10_000, "rope_theta in config.json");
}

function refuseHuggingFace(root: JsonObject): void {
  const expectations: readonly [string, Json, readonly Json[]][] = [
    ["model_type", "llama", ["llama"]],
    ["hidden_act", "silu", ["silu", "swish"]],
    ["attention_bias", false, [false]],
    ["mlp_bias", false, [false]],
  ];
  for (const [key, usual, accepted] of expectations) {
    const found = key === "model_type" ? field(root, key) ?? null : field(root, key) ?? usual;
    if (accepted.includes(found)) continue;
    throw new OutriderError(
      `${shortJson(usual)} as ${key} in config.json`,
      shortJson(found),
      CURE,
    );
  }
}

/**
 * The configuration of a Hugging Face config.json of `model_type` "llama". Rotation pairs the two
 * halves of a head.
 *
 * @throws {OutriderError} when a key is missing or a feature is not supported.
 * @example
 * ```ts
 * import { configFromHuggingFace } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const config = configFromHuggingFace({
 *   model_type: "llama", num_hidden_layers: 2, hidden_size: 8, num_attention_heads: 2,
 *   intermediate_size: 16, vocab_size: 32, max_position_embeddings: 64, rms_norm_eps: 1e-5,
 * });
 * assertEquals([config.headWidth, config.ropePairing], [4, "half"]);
 * ```
 */
export function configFromHuggingFace(json: Json): LlamaConfig {
  const root = asObject(json, "config.json");
  refuseHuggingFace(root);
  const optional = (key: string): number | undefined => {
    const value = field(root, key);
    return value === undefined ? undefined : asNumber(value, `${key} in config.json`);
  };
  const number = (key: string): number => asNumber(field(root, key), `${key} in config.json`);
  const heads = number("num_attention_heads");
  const width = number("hidden_size");
  return checkConfig({
    layers: number("num_hidden_layers"),
    width,
    heads,
    keyValueHeads: optional("num_key_value_heads") ?? heads,
    headWidth: optional("head_dim") ?? width / heads,
    feedForwardWidth: number("intermediate_size"),
    vocabulary: number("vocab_size"),
    contextLength: number("max_position_embeddings"),
    ropeBase: readRope(root),
    ropePairing: "half",
    rmsNormEpsilon: number("rms_norm_eps"),
    tiedEmbeddings: field(root, "tie_word_embeddings") === true,
  });
}
