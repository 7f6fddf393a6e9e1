/**
 * Typed access to parsed JSON, with one clear error for what has another type than it should.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  /** A value by its key. */
  readonly [key: string]: Json;
}

function wrongType(what: string, expected: string, value: Json | undefined): OutriderError {
  const text = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
  return new OutriderError(`${expected} as ${what}`, text, "the file is damaged; get it again");
}

/** Parses JSON text. */
export function parseJson(text: string, what: string): Json {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new OutriderError(`JSON in ${what}`, message, "the file is damaged; get it again");
  }
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
