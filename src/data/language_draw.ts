/**
 * Drawing words and filling sentences: the small tools that every kind of the language shares.
 *
 * Each draw folds its own name into the key, so adding one draw never shifts the others.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key, permutation, uniform, uniformInteger } from "../core/random.ts";

/** One question and its answer. */
export interface Exchange {
  /** What the user writes. */
  readonly prompt: string;
  /** What the assistant should answer. */
  readonly answer: string;
  /**
   * What has to be new for the prompt to count as unseen: the operands or words that it combines.
   * `null` puts the exchange into the training part always (greetings, for example).
   */
  readonly combination: string | null;
}

/** One kind of conversation: a name, how often it is drawn, and a pure generator. */
export interface Kind {
  /** The kind's name, as {@link Exchange} reports show it. */
  readonly name: string;
  /** The relative frequency. */
  readonly weight: number;
  /** One or more turns out of a key; later turns may refer to earlier ones. */
  readonly exchanges: (key: Key) => readonly Exchange[];
}

/** The values that a template's `{names}` stand for. */
export type Values = Readonly<Record<string, string | number>>;

/** One item, uniformly. */
export function pick<T>(key: Key, name: string, items: readonly T[]): T {
  return items[uniformInteger(foldIn(key, name), items.length)];
}

/** `count` different items, in random order. */
export function pickSeveral<T>(key: Key, name: string, items: readonly T[], count: number): T[] {
  return Array.from(
    permutation(foldIn(key, name), items.length).subarray(0, count),
    (i) => items[i],
  );
}

/** An integer in [low, high]. */
export function integerBetween(key: Key, name: string, low: number, high: number): number {
  return low + uniformInteger(foldIn(key, name), high - low + 1);
}

/** True with the given probability. */
export function chance(key: Key, name: string, probability: number): boolean {
  return uniform(foldIn(key, name)) < probability;
}

/** Replaces every `{name}` by its value and every `a(n)` by the article that fits. */
export function fill(template: string, values: Values): string {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new OutriderError(`a value for {${name}}`, "none", `add it for "${template}"`);
    }
    return String(value);
  });
  return filled.replace(/\b([Aa])\(n\) (\w)/g, (_, article: string, next: string) => {
    return `${article}${/[aeiou]/i.test(next) ? "n" : ""} ${next}`;
  });
}

/** Draws one of the templates and fills it. */
export function phrase(
  key: Key,
  name: string,
  templates: readonly string[],
  values: Values,
): string {
  return fill(pick(key, name, templates), values);
}

/** The noun with "a" or "an". */
export function withArticle(noun: string): string {
  return fill("a(n) {noun}", { noun });
}

/** The text with a capital first letter. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "red, blue and green". */
export function joined(items: readonly (string | number)[]): string {
  const last = items.length - 1;
  return last < 1 ? items.join("") : `${items.slice(0, last).join(", ")} and ${items[last]}`;
}

/** A one-turn kind whose generator gives a single exchange. */
export function singleTurn(name: string, weight: number, exchange: (key: Key) => Exchange): Kind {
  return { name, weight, exchanges: (key) => [exchange(key)] };
}
