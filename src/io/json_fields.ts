/**
 * Typed access to parsed JSON, with one clear error for what has another type than it should.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { quote } from "./quote.ts";

const CURE = "the file is damaged; get it again";
const LONGEST_SHOWN = 60;
const DEEPEST = 64;

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  /** A value by its key. */
  readonly [key: string]: Json;
}

function wrongType(what: string, expected: string, value: Json | undefined): OutriderError {
  return new OutriderError(`${expected} as ${what}`, shortJson(value), CURE);
}

/** A value as JSON in an error message, shortened. */
export function shortJson(value: Json | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value).slice(0, LONGEST_SHOWN);
}

/** The place after the string that begins at `start` in valid JSON. */
function afterString(text: string, start: number): number {
  for (let at = start + 1;; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"' || at >= text.length) return at + 1;
  }
}

/** The deepest nesting of brackets, outside of strings, in valid JSON. */
function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length;) {
    const character = text[at];
    if (character === '"') {
      at = afterString(text, at);
      continue;
    }
    if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
    at++;
  }
  return deepest;
}

/**
 * Parses JSON text whose nesting is shallow, so that functions which follow the nesting cannot run
 * out of stack.
 */
export function parseJson(text: string, what: string): Json {
  try {
    const value = JSON.parse(text);
    if (nestingDepth(text) <= DEEPEST) return value;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new OutriderError(`JSON in ${what}`, quote(message), CURE);
  }
  throw new OutriderError(`JSON of at most ${DEEPEST} levels in ${what}`, "more", CURE);
}

/** True for a JSON object, not an array. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An own field of an object; undefined if it is absent or null. */
export function field(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] ?? undefined : undefined;
}

/** The value as an object. */
export function asObject(value: Json | undefined, what: string): JsonObject {
  if (isObject(value)) return value;
  throw wrongType(what, "an object", value);
}

/** The value as an array. */
export function asArray(value: Json | undefined, what: string): readonly Json[] {
  if (Array.isArray(value)) return value;
  throw wrongType(what, "an array", value);
}

/** The value as a string. */
export function asString(value: Json | undefined, what: string): string {
  if (typeof value === "string") return value;
  throw wrongType(what, "a string", value);
}

/** The value as a boolean. */
export function asBoolean(value: Json | undefined, what: string): boolean {
  if (typeof value === "boolean") return value;
  throw wrongType(what, "true or false", value);
}

/** The value as a number. */
export function asNumber(value: Json | undefined, what: string): number {
  if (typeof value === "number") return value;
  throw wrongType(what, "a number", value);
}

/** The value as a whole number from 0 up. */
export function asCount(value: Json | undefined, what: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrongType(what, "a whole number from 0 up", value);
}
