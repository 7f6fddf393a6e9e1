/**
 * What the names of drafts say: which one is the base, which are steps of one run.
 *
 * @module
 */
import type { ArmSetting, DraftIdentity } from "./record.ts";

/** What of a draft decides its part in a report. */
type NamedDraft = Pick<DraftIdentity, "name" | "kind">;

/** The name of the draft before finetuning. */
export const BASE = "base";

/**
 * The run that a draft's name gives, and after how many steps of it: `tvd++@500`.
 *
 * @example
 * ```ts
 * import { namedSteps } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(namedSteps("tvd++@500"), { run: "tvd++", steps: 500 });
 * assertEquals(namedSteps("tvd++"), { run: "tvd++", steps: undefined });
 * ```
 */
export function namedSteps(name: string): { readonly run: string; readonly steps?: number } {
  const [, run = name, steps] = name.match(/^(.+)@(\d+)$/) ?? [];
  return { run, steps: steps === undefined ? undefined : Number(steps) };
}

/** Whether a draft is a model that is not the base: one that was finetuned. */
export function isFinetuned({ kind, name }: NamedDraft): boolean {
  return kind === "model" && namedSteps(name).run !== BASE;
}

/**
 * The names of the finetuned drafts, of each run the one that went furthest: one without steps in
 * its name, or else that with the most.
 */
export function finalDrafts(drafts: readonly NamedDraft[]): ReadonlySet<string> {
  const names = new Set(drafts.filter(isFinetuned).map(({ name }) => name));
  const runs = Map.groupBy(names, (name) => namedSteps(name).run);
  const stepsOf = (name: string): number => namedSteps(name).steps ?? Infinity;
  return new Set(
    [...runs.values()].map((run) => run.reduce((a, b) => stepsOf(b) > stepsOf(a) ? b : a)),
  );
}

/** Whether a draft was used as a chain that the target judges in turns, as the paper's are. */
export function isChain({ verify }: Pick<ArmSetting, "verify">): boolean {
  return verify === "block" || verify === "token";
}
