/**
 * Training: the three stages of the recipe, and the trainers, loop and checkpoints beneath them.
 *
 * @module
 */
export * from "./batch_source.ts";
export * from "./best_step.ts";
export * from "./block_batch.ts";
export type { BlockRowsBatch, BlockRowsOptions } from "./block_rows.ts";
export type { FeatureTrainerOptions, SharedWithTarget } from "./block_states.ts";
export * from "./block_stage.ts";
export * from "./block_trainer.ts";
export {
  type CheckpointInfo,
  loadCheckpoint,
  type Restored,
  saveCheckpoint,
} from "./checkpoint.ts";
export * from "./distill.ts";
export * from "./ctc_batch.ts";
export * from "./ctc_stage.ts";
export * from "./ctc_trainer.ts";
export * from "./draft_config.ts";
export { MOST_LOGIT_BYTES } from "./draft_loss.ts";
export * from "./draft_optimizer.ts";
export * from "./feature_noise.ts";
export type { FeatureStageOptions } from "./feature_stage.ts";
export * from "./finetune.ts";
export type { GuardLevel, GuardState } from "./guard.ts";
export * from "./on_policy.ts";
export * from "./on_policy_batch.ts";
export * from "./on_policy_finetune.ts";
export * from "./on_policy_rows.ts";
export * from "./inherit_embedding.ts";
export * from "./pretrain.ts";
export * from "./recordable.ts";
export * from "./remote_distill.ts";
export type { Resume } from "./resume.ts";
export * from "./row_batch.ts";
export * from "./run_progress.ts";
export * from "./scored_rows.ts";
export * from "./self_seeded.ts";
export * from "./set_features.ts";
export * from "./shared_weights.ts";
export * from "./speculation_record.ts";
export * from "./stage.ts";
export * from "./teach.ts";
export * from "./train_loop.ts";
export * from "./trainer.ts";
export type {
  BatchLoss,
  DeviceState,
  StepMetrics,
  Trainer,
  TrainingState,
} from "./training_step.ts";
export {
  ownHiddenStates,
  type OwnTexts,
  ownUnitDirection,
  unitDirection,
} from "./unit_direction.ts";
export type { Validation } from "./validation.ts";
export * from "./weights.ts";
