/**
 * Systems of speculative decoding, as a program describes them and a report shows them.
 *
 * @module
 */
import type { Figure } from "./bootstrap.ts";
import type { ArmSetting } from "./record.ts";
import type { BreakEven, StepCosts } from "./step_costs.ts";

/** One way in which a system was measured: the rows of this draft in this setting. */
export interface SystemArm extends ArmSetting {
  /** The draft's name in the records. */
  readonly draft: string;
  /** The setting in words, such as "gamma 3". */
  readonly setting: string;
}

/** How a system uses its drafter. */
export interface DrafterUse {
  /** Passes of a trained drafter in a step: one for each token, or so many; 0 without one. */
  readonly draftPasses: "per token" | number;
  /** Whether target and draft take turns or run at the same time. */
  readonly models: "in turns" | "at once";
}

/** A system that was measured. */
export interface MeasuredSystem extends DrafterUse {
  /** Its name, such as "DFlash + DDTree". */
  readonly title: string;
  /** Its arms, in order. */
  readonly arms: readonly SystemArm[];
  /** Whether what it drafts are chains of tokens or trees. */
  readonly drafts: "chains" | "trees";
  /**
   * What a sampled text has in common with the plain one of the same coins: its tokens, or the law that
   * they are drawn from, which no single text can show.
   */
  readonly sampled: "tokens" | "law";
}

/** A system that was not measured, in all decodings or in some. */
export interface MissingSystem {
  /** Its name. */
  readonly title: string;
  /** Why. */
  readonly reason: string;
  /** The commands that make what it lacks, if anything does. */
  readonly commands: readonly string[];
}

/** What a program has measured as systems. */
export interface Systems {
  /** Those that were measured, in order. */
  readonly measured: readonly MeasuredSystem[];
  /** Those that were not. */
  readonly missing: readonly MissingSystem[];
}

/** What exactness shows itself by: equal texts, or nothing that a few texts could show. */
export type Exactness =
  | { readonly by: "tokens"; readonly equal: number; readonly texts: number }
  | { readonly by: "law" };

/** Why a system loses time, in times of plain decoding's target pass. */
export interface SystemLoss extends BreakEven {
  /** Most that both models may take together; only where they run at the same time. */
  readonly together?: number;
  /** A plain target pass over a draft pass, as measured; left out without a trained drafter. */
  readonly targetOverDraft?: number;
  /** The least such ratio at which it would win if nothing else changes; left out where none does. */
  readonly winsFrom?: number;
  /** The same if all rows of a pass together cost what one does. */
  readonly winsWithFreeRowsFrom?: number;
}

/** How one system did in one setting and decoding on one task. */
export interface SystemRow {
  /** The system's name. */
  readonly title: string;
  /** The draft's name in the records. */
  readonly draft: string;
  /** The setting in words. */
  readonly setting: string;
  /** The task, or several together. */
  readonly task: string;
  /** How tokens were chosen. */
  readonly decoding: string;
  /** How many prompts there were. */
  readonly prompts: number;
  /** Tokens per target pass. */
  readonly tau: Figure;
  /** Accepted over judged tokens; of trees, the share of passes in which a drafted token stood. */
  readonly acceptance: number;
  /** Rows of a target pass, the mean. */
  readonly rows: number;
  /** What a step takes. */
  readonly costs: StepCosts;
  /** Tokens per second over those of plain decoding beside it. */
  readonly speedUp: Figure;
  /** Whether texts are those of plain decoding. */
  readonly exactness: Exactness;
  /** Left out where it loses no time. */
  readonly loss?: SystemLoss;
}

/** Systems in a report. */
export interface SystemsReport {
  /** Every system in every setting and decoding on every task. */
  readonly rows: readonly SystemRow[];
  /** Those that were not measured. */
  readonly missing: readonly MissingSystem[];
}
