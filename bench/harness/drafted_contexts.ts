/**
 * Places in a target's own answers with what target and draft say there.
 *
 * @module
 */
import { foldIn, type Key, uniform } from "@outrider/outrider/core";
import {
  type LanguageModel,
  type LlamaCache,
  type Logits,
  logitsOf,
  probabilities,
  type Probs,
  probsOf,
  sample,
  softmax,
  temperature,
} from "@outrider/outrider/decode";
import type { OpenDraft } from "./drafts.ts";
import type { OpenModel } from "./models.ts";

/** The logits of target and draft at one place, `[vocabulary]` and `[classes]`. */
export interface DraftedContext {
  readonly target: Logits;
  readonly draft: Logits;
}

/** How an answer is written, and where it is looked at. */
export interface AnswerSettings {
  /** Tokens of an answer at most. */
  readonly maxTokens: number;
  /** Of the places of an answer one in so many counts. */
  readonly stride: number;
}

/** The contexts of the answer that the target writes to a prompt at temperature 1. */
export async function draftedContexts(
  { model, file }: OpenModel,
  draft: OpenDraft,
  prompt: readonly number[],
  { maxTokens, stride }: AnswerSettings,
  key: Key,
): Promise<DraftedContext[]> {
  const targets: Logits[] = [];
  const text = [...prompt];
  let cache = model.open();
  for (let i = 0; i < maxTokens; i++) {
    const step = await model.forward(cache, text.slice(model.lengthOf(cache)), 1);
    cache = step.cache;
    // The model writes its next rows over these.
    const row = logitsOf(Float32Array.from(step.logits[0]));
    targets.push(row);
    const token = sample(softmax(row, text), uniform(foldIn(key, i)));
    if (file.tokenizer.endOfTurn.has(token)) break;
    text.push(token);
  }
  model.close(cache);
  const seen = text.slice(0, prompt.length + targets.length - 1);
  const drafts = await lastRows(draft, seen, targets.length);
  return targets.map((target, i) => ({ target, draft: drafts[i] }))
    .filter((_, i) => i % stride === 0);
}

/** A draft's logits of the last rows of a text. */
async function lastRows(
  { model, vocabulary }: { readonly model: LanguageModel<LlamaCache> } & OpenDraft,
  text: readonly number[],
  wanted: number,
): Promise<readonly Logits[]> {
  const classes = text.map((token) => vocabulary?.classOf(token) ?? token);
  const { cache, logits } = await model.forward(model.open(), classes, wanted);
  const rows = logits.map((row) => logitsOf(Float32Array.from(row)));
  model.close(cache);
  return rows;
}

/** The distributions of target and draft over the target's tokens at a temperature. */
export function distributionsAt(
  { target, draft }: DraftedContext,
  value: number,
  { vocabulary }: Pick<OpenDraft, "vocabulary">,
): { readonly q: Probs; readonly p: Probs } {
  const warp = temperature(value);
  const q = probabilities(warp, target, []);
  if (vocabulary === undefined) return { q, p: probabilities(warp, draft, []) };
  const possible = Float32Array.from(draft);
  possible[vocabulary.other] = -Infinity;
  const kept = probabilities(warp, logitsOf(possible), []);
  const spread = new Float64Array(q.length);
  vocabulary.tokenIds.forEach((token, i) => spread[token] = kept[i]);
  return { q, p: probsOf(spread) };
}
