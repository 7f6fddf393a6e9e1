/**
 * What a report of an evaluation holds.
 *
 * @module
 */
import type { Figure } from "./bootstrap.ts";
import type { Curve, DraftComparison } from "./comparisons.ts";
import type { DecodingMetrics } from "./metrics.ts";
import type { ArmSetting, DraftKind, EvaluationHead } from "./record.ts";
import type { StepCosts } from "./step_costs.ts";
import type { SystemsReport } from "./system_types.ts";

/** How one draft did in one setting on one task. */
export interface ReportRow extends ArmSetting {
  /** The task, or several together. */
  readonly task: string;
  /** Whether drafts were trained for other texts. */
  readonly outOfDistribution: boolean;
  /** How tokens were chosen. */
  readonly decoding: string;
  /** Whether greedily: all texts of a prompt must then be equal. */
  readonly greedy: boolean;
  /** The draft's name. */
  readonly name: string;
  /** What runs ahead. */
  readonly kind: DraftKind;
  /** How many prompts there were. */
  readonly prompts: number;
  /** Figures over all prompts. */
  readonly metrics: DecodingMetrics;
  /** Tokens per target pass. */
  readonly tau: Figure;
  /** Accepted over judged tokens. */
  readonly alpha: Figure;
  /** tau / (1 + c gamma). */
  readonly memoryBoundSpeedUp: Figure;
  /** Tokens per second over those of plain decoding beside it. */
  readonly speedUp: Figure;
  /** Tokens per second of plain decoding beside it. */
  readonly plainTokensPerSecond: number;
  /** How many prompts gave the very tokens of plain decoding. */
  readonly equalTexts: number;
  /** What a step takes, in times of plain decoding's target pass beside it. */
  readonly costs: StepCosts;
}

/** Plain decoding of one task. */
export interface PlainRow {
  /** The task. */
  readonly task: string;
  /** Whether drafts were trained for other texts. */
  readonly outOfDistribution: boolean;
  /** How tokens were chosen. */
  readonly decoding: string;
  /** Figures over all its texts; a prompt that was visited again counts again. */
  readonly metrics: DecodingMetrics;
  /** How many texts there were. */
  readonly texts: number;
}

/** How a claim fares. */
export type Verdict = "holds" | "holds in part" | "does not hold" | "within noise" | "not measured";

/** A claim, and what the numbers say of it. */
export interface Finding {
  /** The claim. */
  readonly claim: string;
  /** How it fares, by the intervals. */
  readonly verdict: Verdict;
  /** The numbers in words. */
  readonly text: string;
}

/** What decoded where, by the names of drafts; `plain` is plain decoding. */
export interface DecoderPlaces {
  /** Decoders that draft, judge and draw on the device. */
  readonly device: readonly string[];
  /** Decoders to which the logits of every pass come. */
  readonly host: readonly string[];
}

/** All that the records say. */
export interface EvaluationReport extends EvaluationHead {
  /** What decoded where, where a program says so. */
  readonly decoders?: DecoderPlaces;
  /** Plain decoding. */
  readonly plain: readonly PlainRow[];
  /** Every draft in every setting on every task. */
  readonly rows: readonly ReportRow[];
  /** Every finetuned draft with the base. */
  readonly withBase: readonly DraftComparison[];
  /** Drafts with one another: the last of each run, prompt lookup and self-speculation. */
  readonly betweenDrafts: readonly DraftComparison[];
  /** tau against finetuning steps. */
  readonly curves: readonly Curve[];
  /** What of the claims about direct alignment holds here. */
  readonly findings: readonly Finding[];
  /** Systems side by side, where a program says which rows are of which. */
  readonly systems?: SystemsReport;
}
