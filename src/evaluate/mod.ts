/**
 * Evaluation: the figures of speculative decoding.
 *
 * @module
 */

export * from "./compare.ts";
export * from "./metrics.ts";
