/**
 * Typed access to GGUF metadata, with one clear error for a key that is missing or of a wrong type.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { GgufMetadata } from "./gguf_types.ts";

function wrongType(key: string, expected: string, found: string): OutriderError {
  return new OutriderError(`${expected} as metadata "${key}"`, found, "convert the model again");
}

/** A string, if the key is there. */
export function ggufString(metadata: GgufMetadata, key: string): string | undefined {
  const entry = metadata.get(key);
  if (entry === undefined || entry.type === "string") return entry?.value;
  throw wrongType(key, "a string", entry.type);
}

/** A number of any numeric type, if the key is there. */
export function ggufNumber(metadata: GgufMetadata, key: string): number | undefined {
  const entry = metadata.get(key);
  if (entry === undefined) return undefined;
  if (typeof entry.value === "number") return entry.value;
  if (typeof entry.value === "bigint") return Number(entry.value);
  throw wrongType(key, "a number", entry.type);
}

/** A boolean, if the key is there. */
export function ggufBoolean(metadata: GgufMetadata, key: string): boolean | undefined {
  const entry = metadata.get(key);
  if (entry === undefined || entry.type === "bool") return entry?.value;
  throw wrongType(key, "a boolean", entry.type);
}

/** An array of strings, if the key is there. */
export function ggufStrings(metadata: GgufMetadata, key: string): readonly string[] | undefined {
  const entry = metadata.get(key);
  if (entry === undefined) return undefined;
  if (entry.type === "array" && entry.elementType === "string") return entry.value;
  throw wrongType(key, "an array of strings", entry.type);
}

/** An array of numbers (of at most 32 bits), if the key is there. */
export function ggufNumbers(
  metadata: GgufMetadata,
  key: string,
): ArrayLike<number> | undefined {
  const entry = metadata.get(key);
  if (entry === undefined) return undefined;
  const isNumeric = entry.type === "array" && entry.elementType !== "string" &&
    entry.elementType !== "bool" && entry.elementType !== "uint64" &&
    entry.elementType !== "int64";
  if (isNumeric) return entry.value;
  throw wrongType(key, "an array of numbers", entry.type);
}

/** What an accessor found, or an error that the key is missing. */
export function required<T>(value: T | undefined, key: string): T {
  if (value !== undefined) return value;
  throw new OutriderError(`metadata "${key}"`, "none", "convert the model again");
}
