/**
 * Evaluation: the figures of speculative decoding.
 *
 * @module
 */

export { bootstrap, drawPrompts, type Draws, type Figure } from "./bootstrap.ts";
export * from "./compare.ts";
export * from "./metrics.ts";
export { addTallies, decodingSeconds, NO_TALLY, type Tally, tallyOf } from "./tally.ts";
