/**
 * Evaluation: the figures of speculative decoding.
 *
 * @module
 */

export * from "./metrics.ts";
