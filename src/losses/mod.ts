/**
 * Losses of pretraining and of distillation, each a pure function of logits `[rows, vocab]`, and
 * the acceptance rate that they are there to raise.
 *
 * @module
 */
export { acceptance } from "./acceptance.ts";
export { cachedTeacherLogits } from "./cached_teacher.ts";
export type { CachedProbs } from "./cached_teacher.ts";
export { crossEntropy, rowsWithTarget } from "./cross_entropy.ts";
export { ctcLoss, ctcPrefixLoss, ctcScores } from "./ctc.ts";
export type { CtcScores, CtcTargets } from "./ctc.ts";
export { dPace } from "./d_pace.ts";
export { endToEndTvd } from "./end_to_end_tvd.ts";
export { logitsInChunks, logitsWithin, wholeLogits } from "./in_chunks.ts";
export type { HiddenRows, LogitRows, RowScore, Scoring } from "./in_chunks.ts";
export { jsd } from "./jsd.ts";
export { kld } from "./kld.ts";
export { lkHybrid } from "./lk_hybrid.ts";
export { negativeLogAcceptance } from "./negative_log_acceptance.ts";
export { onPolicyCorrection } from "./on_policy_correction.ts";
export type { OnPolicyLoss } from "./on_policy_correction.ts";
export { isLossName, isRowwise, losses, lossNamed } from "./registry.ts";
export type { AcrossRowsLossName, LossName, RowwiseLossName } from "./registry.ts";
export { reverseKld } from "./reverse_kld.ts";
export type { DistillationLoss, RowwiseLoss } from "./rows.ts";
export { tvd } from "./tvd.ts";
export { SIGMA_FLOOR, tvdPlusPlus } from "./tvd_plus_plus.ts";
export { tvdPlusPlusBatch } from "./tvd_plus_plus_batch.ts";
export { tvdPlusPlusSampled } from "./tvd_plus_plus_sampled.ts";
export { atTemperature, warped } from "./warped.ts";
