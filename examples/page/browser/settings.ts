/**
 * What a person has chosen.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { WeightType } from "@outrider/outrider/io";
import { byId } from "./element.ts";
import type { AnswerOptions, BackendName, DraftName } from "./protocol.ts";

/** The choices of the page's form. */
export interface Settings {
  readonly backend: BackendName | "auto";
  /** Most threads of the Wasm backend; undefined for as many as are fastest. */
  readonly threads: number | undefined;
  readonly weights: WeightType;
  readonly answer: AnswerOptions;
}

/** The same seed for every answer: both sides draw the same coins. */
const SEED = 1;

/** One of the words that a select offers. */
function chosen<Word extends string>(id: string, words: readonly Word[]): Word {
  const { value } = byId(id, HTMLSelectElement);
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw new OutriderError(`one of ${words.join(", ")} as ${id}`, value, "reload the page");
}

/** The number in a field, which its own bounds hold for. */
function numberIn(id: string): number {
  const field = byId(id, HTMLInputElement);
  if (field.checkValidity()) return field.valueAsNumber;
  const what = field.labels?.[0]?.textContent ?? id;
  throw new OutriderError(
    `a number from ${field.min} to ${field.max} as “${what}”`,
    field.value === "" ? "none" : field.value,
    "correct it in the settings",
  );
}

/** The number in a field that may be left empty. */
function optionalNumberIn(id: string): number | undefined {
  const { value, validity } = byId(id, HTMLInputElement);
  return value === "" && !validity.badInput ? undefined : numberIn(id);
}

function gammaChosen(): number | "auto" {
  const { value } = byId("gamma", HTMLSelectElement);
  return value === "auto" ? value : Number(value);
}

/** Reads the form; throws an OutriderError for a number out of bounds. */
export function readSettings(): Settings {
  return {
    backend: chosen<BackendName | "auto">("backend", ["auto", "webgpu", "wasm"]),
    threads: optionalNumberIn("threads"),
    weights: chosen<WeightType>("weights", ["keep", "q8", "q4"]),
    answer: {
      draft: chosen<DraftName>("draft", ["model", "lookup"]),
      gamma: gammaChosen(),
      temperature: numberIn("temperature"),
      maxTokens: numberIn("max-tokens"),
      seed: SEED,
    },
  };
}
