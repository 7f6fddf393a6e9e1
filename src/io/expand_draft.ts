/**
 * A trimmed draft as a model of its target's whole vocabulary, for engines that know no other.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { DraftFile } from "./draft_file.ts";
import type { ModelContent } from "./write_model.ts";

/**
 * Rows of classes `[classes, width]` as rows of the target's tokens `[targetVocabulary, width]`: each
 * token gets the row of its class.
 *
 * @example
 * ```ts
 * import { expandRows } from "@outrider/outrider/io";
 * import { trimmedVocabulary } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = expandRows(Float32Array.of(1, 2, 7), 1, trimmedVocabulary([0, 2], 4));
 * assertEquals([...rows], [1, 7, 2, 7]);
 * ```
 */
export function expandRows(
  values: Float32Array,
  width: number,
  { classOf, classes, targetVocabulary }: TrimmedVocabulary,
): Float32Array<ArrayBuffer> {
  if (values.length !== classes * width) {
    const expected = `${classes} rows of ${width} values`;
    throw new OutriderError(expected, `${values.length} values`, "pass a trimmed draft's matrix");
  }
  const expanded = new Float32Array(targetVocabulary * width);
  for (let token = 0; token < targetVocabulary; token++) {
    const row = classOf(token) * width;
    expanded.set(values.subarray(row, row + width), token * width);
  }
  return expanded;
}

/**
 * The rows of a head in which the tokens of class `other` share its probability evenly: their row is
 * that of the class less `log(tokens outside) * unit`, where hidden states measure about 1 along
 * `unit`, f32 `[width]` (as `unitDirection` finds it). All other rows stay as they are.
 *
 * @example
 * ```ts
 * import { evenHeadRows } from "@outrider/outrider/io";
 * import { trimmedVocabulary } from "@outrider/outrider/nn";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const head = evenHeadRows(Float32Array.of(1, 2, 7), trimmedVocabulary([0, 2], 4), Float32Array.of(1));
 * const [mass, logits] = [Math.exp(7), [...head].map(Math.exp)];
 * assertAlmostEquals(logits[1] + logits[3], mass, 1e-3);
 * ```
 */
export function evenHeadRows(
  head: Float32Array,
  vocabulary: TrimmedVocabulary,
  unit: Float32Array,
): Float32Array<ArrayBuffer> {
  const { classOf, other, targetVocabulary } = vocabulary;
  const width = unit.length;
  const expanded = expandRows(head, width, vocabulary);
  const share = Math.log(targetVocabulary - other);
  for (let token = 0; token < targetVocabulary; token++) {
    if (classOf(token) !== other) continue;
    for (let i = 0; i < width; i++) expanded[token * width + i] -= share * unit[i];
  }
  return expanded;
}

/** How {@link expandDraft} treats the tokens that a trimmed draft does not know. */
export interface ExpandOptions {
  /**
   * A direction along which the draft's hidden states measure about 1, f32 `[width]`: with it these
   * tokens share the probability of their class evenly. Without it each of them has the logit of the
   * class, so that together they have far too much, and an engine that looks at probabilities must
   * leave them out.
   */
  readonly unit?: Float32Array;
}

/**
 * A draft's sizes and weights with the target's whole vocabulary, as `writeGgufModel` and
 * `writeModelFolder` take them. Tokens that the draft knows keep their logits to the bit. A draft
 * that is not trimmed stays as it is.
 *
 * @example
 * ```ts
 * import { expandDraft, openDraftFile, writeDraftFile } from "@outrider/outrider/io";
 * import { keyOf } from "@outrider/outrider";
 * import { initLlama, tinyLlama, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { weightReader } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * const vocabulary = trimmedVocabulary([2, 5, 6], 8);
 * const config = tinyLlama({ width: 8, vocabulary: vocabulary.classes });
 * const readWeight = weightReader(initLlama(keyOf(1), config));
 * const written = { name: "tiny", config, readWeight, tokenizerHash: "hash", vocabulary };
 * await writeDraftFile(path, { ...written, format: "F32" });
 * const draft = await openDraftFile(path);
 * const whole = expandDraft(draft);
 * assertEquals(whole.config.vocabulary, 8);
 * assertEquals((await whole.readWeight("embedding")).length, 8 * 8);
 * draft.close();
 * await Deno.remove(path);
 * ```
 */
export function expandDraft(
  { config, tensors, vocabulary }: Pick<DraftFile, "config" | "tensors" | "vocabulary">,
  { unit }: ExpandOptions = {},
): Pick<ModelContent, "config" | "readWeight"> {
  const read = async (name: string): Promise<Float32Array> => {
    const tensor = tensors.get(name);
    if (tensor !== undefined) return await tensor.readFloat32();
    throw new OutriderError(`the weight ${name}`, "none", "the file is incomplete; get it again");
  };
  if (vocabulary === undefined) return { config, readWeight: read };
  const expanded = { ...config, vocabulary: vocabulary.targetVocabulary };
  const readWeight = async (name: string): Promise<Float32Array> => {
    const values = await read(name);
    const isOfTokens = name === "embedding" || name === "head";
    return isOfTokens ? expandRows(values, config.width, vocabulary) : values;
  };
  if (unit === undefined) return { config: expanded, readWeight };
  const head = config.tiedEmbeddings ? "embedding" : "head";
  return {
    // Tokens outside are read as their class, but scored as a part of it: the head is another matrix.
    config: { ...expanded, tiedEmbeddings: false },
    readWeight: async (name) =>
      name === "head" ? evenHeadRows(await read(head), vocabulary, unit) : await readWeight(name),
  };
}
