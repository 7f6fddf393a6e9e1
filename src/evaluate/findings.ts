/**
 * What of the claims about direct alignment (Goel et al. 2024) holds on a target, in words that the
 * intervals choose.
 *
 * @module
 */
import { IN_DISTRIBUTION } from "./cells.ts";
import type { DraftComparison } from "./comparisons.ts";
import { changeText, differenceText, figureText } from "./figure_text.ts";
import { counted, type Side, sideOf, verdictOf } from "./sides.ts";
import { BASE, finalDrafts, isChain, namedSteps } from "./draft_names.ts";
import type { ArmSetting } from "./record.ts";
import type { EvaluationReport, Finding, ReportRow } from "./report_types.ts";
import { speedFindings } from "./speed_findings.ts";

/** What findings are made of. */
export type Numbers = Omit<EvaluationReport, "findings">;

/** All findings, in the order of the paper: the text, tau, its losses, other tasks, time. */
export function findingsOf(numbers: Numbers): Finding[] {
  return [
    losslessness(numbers),
    lift(numbers),
    ...rivalry(numbers),
    growth(numbers),
    elsewhere(numbers),
    bestTau(numbers),
    ...speedFindings(numbers),
  ];
}

/** Whatever has a draft length that does not follow the clock: of such tau is a property. */
function fixed<One extends ArmSetting>(list: readonly One[]): readonly One[] {
  return list.filter(({ gamma }) => gamma !== "auto");
}

/** Rows of single tasks, each text counted once. */
function singleTasks({ rows }: Numbers): readonly ReportRow[] {
  return rows.filter(({ task }) => task !== IN_DISTRIBUTION);
}

/** The task that stands for all that drafts were trained for. */
function knownTask({ rows }: Numbers): string | undefined {
  const known = rows.filter(({ outOfDistribution }) => !outOfDistribution);
  return known.find(({ task }) => task === IN_DISTRIBUTION)?.task ?? known[0]?.task;
}

function losslessness(numbers: Numbers): Finding {
  const claim = "Under greedy decoding no draft changes a text";
  const greedy = singleTasks(numbers).filter((row) => row.greedy);
  const texts = greedy.reduce((sum, { prompts }) => sum + prompts, 0);
  if (texts === 0) return { claim, verdict: "not measured", text: "No text was greedy." };
  const differing = greedy.reduce((sum, row) => sum + row.prompts - row.equalTexts, 0);
  return differing === 0
    ? { claim, verdict: "holds", text: `All ${texts} texts are those of plain decoding.` }
    : {
      claim,
      verdict: "does not hold",
      text: `${differing} of ${texts} texts differ from those of plain decoding.`,
    };
}

/** "gamma 3, T=0" and, where it is not the default one, the rule. */
function settingText(
  { gamma, verify, decoding }: ArmSetting & { readonly decoding: string },
): string {
  return `gamma ${gamma}, ${decoding}${verify === "block" ? "" : `, ${verify} verification`}`;
}

function largest(comparisons: readonly DraftComparison[]): DraftComparison {
  return comparisons.reduce((a, b) => b.tauRatio.value > a.tauRatio.value ? b : a);
}

function smallest(comparisons: readonly DraftComparison[]): DraftComparison {
  return comparisons.reduce((a, b) => b.tauRatio.value < a.tauRatio.value ? b : a);
}

/** Comparisons of drafts that went furthest with the base, on one task. */
function finalWithBase(numbers: Numbers, task: string | undefined): readonly DraftComparison[] {
  const finals = finalDrafts(numbers.rows);
  return fixed(numbers.withBase).filter((one) => one.task === task && finals.has(one.of));
}

const NO_BASE = `No draft is named ${BASE} beside finetuned ones.`;

function lift(numbers: Numbers): Finding {
  const claim = "Finetuning lifts tau in distribution";
  const comparisons = finalWithBase(numbers, knownTask(numbers));
  if (comparisons.length === 0) return { claim, verdict: "not measured", text: NO_BASE };
  const sides = comparisons.map(({ tauRatio }) => sideOf(tauRatio, 1));
  const { above, below, around } = counted(sides);
  const [most, least] = [largest(comparisons), smallest(comparisons)];
  const text = `Of ${comparisons.length} comparisons with the base ${above} lie above it, ` +
    `${below} below, ${around} within noise. ` +
    `Most: ${changeText(most.tauRatio)} (${most.of}, ${settingText(most)}). ` +
    `Least: ${changeText(least.tauRatio)} (${least.of}, ${settingText(least)}).`;
  return { claim, verdict: verdictOf(sides, "above"), text };
}

/** TVD++ against the losses that it is said to beat. */
function rivalry(numbers: Numbers): Finding[] {
  return ["kld", "tvd"].map((rival) => {
    const claim = `TVD++ gives a higher tau than ${rival.toUpperCase()} where tokens are sampled`;
    const comparisons = fixed(numbers.betweenDrafts).flatMap((one) => {
      if (one.task !== knownTask(numbers) || one.greedy) return [];
      return isOf(one, "tvd++", rival) ? one : isOf(one, rival, "tvd++") ? turned(one) : [];
    });
    if (comparisons.length === 0) {
      const text = `No drafts named tvd++ and ${rival} were measured with sampled tokens.`;
      return { claim, verdict: "not measured", text };
    }
    const sides = comparisons.map(({ tauDifference }) => sideOf(tauDifference, 0));
    const parts = comparisons.map((one, i) =>
      `${differenceText(one.tauDifference)} at ${settingText(one)}${NOISE[sides[i]]}`
    );
    const text = `tvd++ minus ${rival} in tau: ${parts.join("; ")}.`;
    return { claim, verdict: verdictOf(sides, "above"), text };
  });
}

const NOISE: Readonly<Record<Side, string>> = {
  above: "",
  below: "",
  around: " (within noise)",
};

function isOf(one: DraftComparison, of: string, other: string): boolean {
  return namedSteps(one.of).run === of && namedSteps(one.with).run === other;
}

/** The same comparison seen from the other draft. */
function turned(one: DraftComparison): DraftComparison {
  const { value, low, high } = one.tauDifference;
  const tauDifference = { value: -value, low: -high, high: -low };
  return { ...one, of: one.with, with: one.of, tauDifference };
}

function growth(numbers: Numbers): Finding {
  const claim = "tau grows with finetuning steps";
  const curves = fixed(numbers.curves).filter(({ task }) => task === knownTask(numbers));
  if (curves.length === 0) {
    const text = "No drafts are named by their steps (such as tvd++@500).";
    return { claim, verdict: "not measured", text };
  }
  const sides = curves.map(({ gain }) => sideOf(gain, 0));
  const { above, below, around } = counted(sides);
  const ordered = curves.toSorted((a, b) => b.gain.value - a.gain.value);
  const [most, least] = [ordered[0], ordered[ordered.length - 1]].map((curve) => {
    const { run, gain, points } = curve;
    const range = `from step ${points[0].steps} to ${points[points.length - 1].steps}`;
    return `${run} ${differenceText(gain)} ${range} (${settingText(curve)})`;
  });
  const text = `Of ${curves.length} runs in all settings ${above} rise, ${below} fall, ${around} ` +
    `are within noise. Most: ${most}. Least: ${least}.`;
  return { claim, verdict: verdictOf(sides, "above"), text };
}

function elsewhere(numbers: Numbers): Finding {
  const claim = "Out of distribution every finetuned draft has a lower tau than the base";
  const tasks = new Set(
    numbers.rows.filter(({ outOfDistribution }) => outOfDistribution).map(({ task }) => task),
  );
  if (tasks.size === 0) {
    const text = "No task is marked as out of distribution.";
    return { claim, verdict: "not measured", text };
  }
  const comparisons = [...tasks].flatMap((task) => finalWithBase(numbers, task));
  if (comparisons.length === 0) return { claim, verdict: "not measured", text: NO_BASE };
  const sides = comparisons.map(({ tauRatio }) => sideOf(tauRatio, 1));
  const { above, below, around } = counted(sides);
  const [most, least] = [largest(comparisons), smallest(comparisons)];
  const text = `On ${[...tasks].join(", ")} ${below} of ${comparisons.length} comparisons lie ` +
    `below the base, ${above} above, ${around} within noise: from ` +
    `${changeText(least.tauRatio)} (${least.of}, ${settingText(least)}) to ` +
    `${changeText(most.tauRatio)} (${most.of}, ${settingText(most)}).`;
  return { claim, verdict: verdictOf(sides, "below"), text };
}

/** The highest tau of the paper's abstract. */
const PAPER_TAU = 2.3;

function bestTau(numbers: Numbers): Finding {
  const claim = `tau reaches ${PAPER_TAU} at gamma 3, the paper's best`;
  const rows = singleTasks(numbers).filter((row) =>
    row.kind === "model" && row.gamma === 3 && isChain(row)
  );
  if (rows.length === 0) {
    return { claim, verdict: "not measured", text: "No draft model was measured at gamma 3." };
  }
  const best = rows.reduce((a, b) => b.tau.value > a.tau.value ? b : a);
  const verdict = verdictOf([sideOf(best.tau, PAPER_TAU)], "above");
  const text = `The highest is ${figureText(best.tau)} (${best.name}, ${best.task}, ${
    settingText(best)
  }).`;
  return { claim, verdict, text };
}
