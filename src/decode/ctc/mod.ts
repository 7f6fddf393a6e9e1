/**
 * The CTC drafter: alignments of several places, and the tree of tokens that they stand for.
 *
 * @module
 */

export * from "./ctc_transform.ts";
export * from "./draft_ctc.ts";
