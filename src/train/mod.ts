/**
 * Training: the three stages of the recipe, and the trainers, loop and checkpoints beneath them.
 *
 * @module
 */
export * from "./checkpoint.ts";
export * from "./distill.ts";
export * from "./draft_config.ts";
export * from "./finetune.ts";
export * from "./on_policy.ts";
export * from "./on_policy_batch.ts";
export * from "./pretrain.ts";
export * from "./row_batch.ts";
export * from "./speculation_record.ts";
export * from "./stage.ts";
export * from "./train_loop.ts";
export * from "./trainer.ts";
export type { DeviceState, StepMetrics, Trainer, TrainingState } from "./training_step.ts";
export * from "./weights.ts";
