/**
 * Training: batches, trainers, the loop, checkpoints.
 *
 * @module
 */
export * from "./checkpoint.ts";
export * from "./row_batch.ts";
export * from "./train_loop.ts";
export * from "./trainer.ts";
export * from "./weights.ts";
