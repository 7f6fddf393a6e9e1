/**
 * What a program and the worker that runs its model say to each other.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { TokenId } from "../language_model.ts";

/** One end of a channel: a `Worker`, the `self` of a worker, or a `MessagePort`. */
export interface ModelPort {
  /** Sends a message to the other end. */
  postMessage(message: unknown, options?: StructuredSerializeOptions): void;
  /** Hears the other end. */
  addEventListener(type: string, listener: (event: Event) => void): void;
  /** Begins to deliver messages, where that is not done already. */
  start?(): void;
}

/** What the worker is asked. Caches have numbers, and begin with their first pass. */
export type ModelRequest =
  | { readonly kind: "hello" }
  | {
    readonly kind: "forward";
    readonly cache: number;
    readonly tokens: readonly TokenId[];
    readonly wanted: number;
  }
  | { readonly kind: "truncate"; readonly cache: number; readonly length: number }
  | { readonly kind: "close"; readonly cache: number };

/** What the worker says. A cache has one pass at a time, so its number tells replies apart. */
export type ModelReply =
  | { readonly kind: "ready"; readonly vocabulary: number; readonly contextLength: number }
  | { readonly kind: "refused"; readonly failure: Failure }
  | { readonly kind: "passed"; readonly cache: number; readonly logits: readonly Float32Array[] }
  | { readonly kind: "failed"; readonly cache: number; readonly failure: Failure };

/** An error as a message. */
export type Failure =
  | { readonly expected: string; readonly found: string; readonly cure: string }
  | { readonly message: string };

/** Takes an error apart, so that it arrives as what it is. */
export function failureOf(error: unknown): Failure {
  if (error instanceof OutriderError) {
    const { expected, found, cure } = error;
    return { expected, found, cure };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}

/** Puts an error together again. */
export function errorOf(failure: Failure): Error {
  if ("message" in failure) return new Error(failure.message);
  return new OutriderError(failure.expected, failure.found, failure.cure);
}
