/**
 * The distillation losses by the names that commands and reports use.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { dPace } from "./d_pace.ts";
import { endToEndTvd } from "./end_to_end_tvd.ts";
import { jsd } from "./jsd.ts";
import { kld } from "./kld.ts";
import { lkHybrid } from "./lk_hybrid.ts";
import { negativeLogAcceptance } from "./negative_log_acceptance.ts";
import { reverseKld } from "./reverse_kld.ts";
import type { DistillationLoss } from "./rows.ts";
import { tvd } from "./tvd.ts";
import { tvdPlusPlus } from "./tvd_plus_plus.ts";
import { tvdPlusPlusBatch } from "./tvd_plus_plus_batch.ts";

/** The name of a distillation loss. */
export type LossName =
  | "kld"
  | "tvd"
  | "tvd++"
  | "tvd++-batch"
  | "reverse-kld"
  | "jsd"
  | "nla"
  | "lk"
  | "e2e-tvd"
  | "d-pace";

/** Every distillation loss that needs no more than both models' logits, by name. */
export const losses: Readonly<Record<LossName, DistillationLoss>> = {
  "kld": kld,
  "tvd": tvd,
  "tvd++": tvdPlusPlus,
  "tvd++-batch": tvdPlusPlusBatch,
  "reverse-kld": reverseKld,
  "jsd": jsd,
  "nla": negativeLogAcceptance,
  "lk": lkHybrid,
  "e2e-tvd": endToEndTvd(),
  "d-pace": dPace(),
};

/** The name of a loss in which the weight of a row follows from other rows of the batch. */
export type AcrossRowsLossName = "tvd++-batch" | "lk" | "e2e-tvd" | "d-pace";

const ACROSS_ROWS: readonly AcrossRowsLossName[] = ["tvd++-batch", "lk", "e2e-tvd", "d-pace"];

/** The name of a loss that judges each row by this row alone, so that rows come in chunks. */
export type RowwiseLossName = Exclude<LossName, AcrossRowsLossName>;

/** True for the name of a loss that judges each row by this row alone. */
export function isRowwise(name: string): name is RowwiseLossName {
  return isLossName(name) && !ACROSS_ROWS.some((other) => other === name);
}

/** True for the name of a loss. */
export function isLossName(name: string): name is LossName {
  return Object.hasOwn(losses, name);
}

/**
 * The loss of that name.
 *
 * @throws {OutriderError} where there is none, with the names that there are
 *
 * @example
 * ```ts
 * import { lossNamed, tvdPlusPlus } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lossNamed("tvd++"), tvdPlusPlus);
 * ```
 */
export function lossNamed(name: string): DistillationLoss {
  if (isLossName(name)) return losses[name];
  throw new OutriderError(
    `the name of a loss (${Object.keys(losses).join(", ")})`,
    JSON.stringify(name),
    "choose one of these",
  );
}
