/**
 * The sizes of a block drafter as the JSON that its file keeps them in.
 *
 * @module
 */
import type { BlockDrafterConfig } from "../nn/block_drafter_parameters.ts";
import { checkAttention, checkCounts, expectConfig } from "./config_checks.ts";
import { asArray, asCount, asNumber, asObject, field, parseJson } from "./json_fields.ts";

/** Sizes that must be whole numbers from 1 up. */
const COUNT_FIELDS = [
  "width",
  "features",
  "contextWidth",
  "layers",
  "heads",
  "keyValueHeads",
  "headWidth",
  "feedForwardWidth",
  "block",
  "contextLength",
] as const;

/**
 * Checks that the sizes of a block drafter make sense together.
 *
 * @throws {OutriderError} that names the first that does not
 */
export function checkBlockConfig(config: BlockDrafterConfig): BlockDrafterConfig {
  checkCounts(config, COUNT_FIELDS);
  checkAttention(config);
  const { taps, width, features } = config;
  const areTaps = taps.length > 0 && taps.every((tap) => Number.isSafeInteger(tap) && tap >= 0);
  expectConfig(areTaps, "one or more whole numbers from 0 up as taps", `[${taps}]`);
  const expected = `${taps.length * width} features of ${taps.length} taps`;
  expectConfig(features === taps.length * width, expected, `${features}`);
  return config;
}

/** The configuration as JSON text. */
export function encodeBlockConfig(config: BlockDrafterConfig): string {
  // Field by field: what else an object may carry does not belong into a file.
  const fields: { readonly [name in keyof BlockDrafterConfig]: BlockDrafterConfig[name] } = {
    width: config.width,
    taps: config.taps,
    features: config.features,
    contextWidth: config.contextWidth,
    layers: config.layers,
    heads: config.heads,
    keyValueHeads: config.keyValueHeads,
    headWidth: config.headWidth,
    feedForwardWidth: config.feedForwardWidth,
    block: config.block,
    contextLength: config.contextLength,
    ropeBase: config.ropeBase,
    rmsNormEpsilon: config.rmsNormEpsilon,
  };
  return JSON.stringify(fields);
}

/**
 * The configuration that a text of {@link encodeBlockConfig} holds.
 *
 * @throws {OutriderError} when it is no such text, or its sizes make no sense together
 */
export function decodeBlockConfig(text: string, what: string): BlockDrafterConfig {
  const root = asObject(parseJson(text, what), what);
  const number = (name: keyof BlockDrafterConfig) =>
    asNumber(field(root, name), `${name} in ${what}`);
  const taps = asArray(field(root, "taps"), `taps in ${what}`);
  return checkBlockConfig({
    width: number("width"),
    taps: taps.map((tap) => asCount(tap, `a tap in ${what}`)),
    features: number("features"),
    contextWidth: number("contextWidth"),
    layers: number("layers"),
    heads: number("heads"),
    keyValueHeads: number("keyValueHeads"),
    headWidth: number("headWidth"),
    feedForwardWidth: number("feedForwardWidth"),
    block: number("block"),
    contextLength: number("contextLength"),
    ropeBase: number("ropeBase"),
    rmsNormEpsilon: number("rmsNormEpsilon"),
  });
}
