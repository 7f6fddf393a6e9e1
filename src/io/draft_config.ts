/**
 * The sizes of a draft as the JSON that its file keeps them in.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig, RopePairing } from "../nn/llama_config.ts";
import {
  asBoolean,
  asNumber,
  asObject,
  asString,
  field,
  type JsonObject,
  parseJson,
} from "./json_fields.ts";
import { checkConfig } from "./model_config.ts";
import { quote } from "./quote.ts";

/** The configuration as JSON text. */
export function encodeConfig(config: LlamaConfig): string {
  // Field by field: what else an object may carry does not belong into a file.
  const fields: { readonly [name in keyof LlamaConfig]: LlamaConfig[name] } = {
    layers: config.layers,
    width: config.width,
    heads: config.heads,
    keyValueHeads: config.keyValueHeads,
    headWidth: config.headWidth,
    feedForwardWidth: config.feedForwardWidth,
    vocabulary: config.vocabulary,
    contextLength: config.contextLength,
    ropeBase: config.ropeBase,
    ropePairing: config.ropePairing,
    rmsNormEpsilon: config.rmsNormEpsilon,
    tiedEmbeddings: config.tiedEmbeddings,
  };
  return JSON.stringify(fields);
}

function pairingOf(root: JsonObject, what: string): RopePairing {
  const found = asString(field(root, "ropePairing"), `ropePairing in ${what}`);
  if (found === "half" || found === "interleaved") return found;
  throw new OutriderError(
    `"half" or "interleaved" as ropePairing in ${what}`,
    quote(found),
    "the file is damaged; get it again",
  );
}

/**
 * The configuration that a text of {@link encodeConfig} holds.
 *
 * @throws {OutriderError} when it is no such text, or its sizes make no sense together
 */
export function decodeConfig(text: string, what: string): LlamaConfig {
  const root = asObject(parseJson(text, what), what);
  const number = (name: keyof LlamaConfig) => asNumber(field(root, name), `${name} in ${what}`);
  return checkConfig({
    layers: number("layers"),
    width: number("width"),
    heads: number("heads"),
    keyValueHeads: number("keyValueHeads"),
    headWidth: number("headWidth"),
    feedForwardWidth: number("feedForwardWidth"),
    vocabulary: number("vocabulary"),
    contextLength: number("contextLength"),
    ropeBase: number("ropeBase"),
    ropePairing: pairingOf(root, what),
    rmsNormEpsilon: number("rmsNormEpsilon"),
    tiedEmbeddings: asBoolean(field(root, "tiedEmbeddings"), `tiedEmbeddings in ${what}`),
  });
}
