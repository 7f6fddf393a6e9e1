/**
 * From the names of systems to what `evaluate` measures.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type {
  EvaluationDecoding,
  MeasuredSystem,
  MissingSystem,
  Systems,
} from "@outrider/outrider/evaluate";
import { decoderOf } from "./decoding.ts";
import { type DecodingOptions, type DraftSpec, writerOf } from "./evaluation_drafts.ts";
import { type Heat, heatName } from "./evaluation_flags.ts";
import { PAPER_LOSSES } from "./system_drafts.ts";
import type { SystemParts } from "./system_parts.ts";
import {
  chainSystem,
  type CommandTarget,
  type PlannedArm,
  type System,
  SYSTEMS,
} from "./systems.ts";
import { warpOf } from "./warps.ts";

/** A system that was asked for. */
interface Asked {
  readonly system: System;
  /** Why it cannot be measured here, whatever drafts there are. */
  readonly obstacle: string | undefined;
}

/**
 * The names of systems; undefined for all of them.
 *
 * @throws OutriderError for names of nothing
 */
export function systemNames(
  written: string,
  specs: readonly DraftSpec[],
): readonly string[] | undefined {
  if (written === "all") return undefined;
  const names = written.split(",").map((name) => name.trim());
  const known = new Set([...SYSTEMS.keys(), ...specs.map(({ name }) => name)]);
  const wrong = names.find((name) => !known.has(name));
  if (wrong === undefined && new Set(names).size === names.length) return names;
  throw new OutriderError(
    `all, or different names of ${[...SYSTEMS.keys()].join(", ")} for --systems`,
    `"${wrong ?? written}"`,
    "separate them by commas",
  );
}

/** The systems of these names; draft models of other names than the table's are systems as well. */
function askedSystems(
  names: readonly string[] | undefined,
  { drafts }: SystemParts,
  inTurnsOnly: string | undefined,
): readonly Asked[] {
  const others = [...drafts.chains.keys()].filter((name) => !PAPER_LOSSES.includes(name));
  const taken = others.find((name) => SYSTEMS.has(name));
  if (taken !== undefined) {
    throw new OutriderError(
      "draft models with names of their own",
      `one named ${taken}, as a system is`,
      "write another --draft NAME=FILE",
    );
  }
  const all = [...SYSTEMS.keys(), ...others];
  return (names ?? all).map((name) => {
    const system = SYSTEMS.get(name) ?? chainSystem(name);
    return { system, obstacle: system.models === "at once" ? inTurnsOnly : undefined };
  });
}

/** What is measured, and what is not. */
export interface SystemsPlan {
  readonly decodings: readonly EvaluationDecoding[];
  readonly systems: Systems;
}

/** What {@link planSystems} takes beside the systems. */
export interface SystemsPlanOptions extends Omit<DecodingOptions, "verify"> {
  readonly decoding: readonly Heat[];
  readonly verify: "block" | "token";
  /** The target's name, for commands. */
  readonly target: string;
  /** Why target and draft cannot run at once; undefined where they can. */
  readonly inTurnsOnly: string | undefined;
}

/** Plans systems, all of them where no names are given, in all ways to choose tokens. */
export function planSystems(
  names: readonly string[] | undefined,
  parts: SystemParts,
  options: SystemsPlanOptions,
): SystemsPlan {
  const found = askedSystems(names, parts, options.inTurnsOnly).map((one) => {
    const arms = one.obstacle === undefined ? one.system.arms(parts, options) : undefined;
    return { ...one, arms };
  });
  const ready = found.flatMap(({ system, arms }) => arms === undefined ? [] : { system, arms });
  const decodings = options.decoding.map((heat) => decodingOf(heat, ready, parts, options));
  const { vocabulary } = parts.target.file.config;
  const target = { name: options.target, draftable: draftableOf(vocabulary) };
  const measured = ready.map(({ system, arms }) => measuredSystem(system, arms));
  const missing = [
    ...found.flatMap((one) => one.arms === undefined ? missingSystem(one, target) : []),
    ...ready.flatMap(({ system }) => greedyGap(system, options.decoding)),
  ];
  return { decodings, systems: { measured, missing } };
}

/** Tokens that a drafter should know: what a target writes, or nearly all of a small vocabulary. */
function draftableOf(vocabulary: number): number {
  return Math.min(8000, vocabulary - 12);
}

interface Ready {
  readonly system: System;
  readonly arms: readonly PlannedArm[];
}

function isSuited({ onlySampled }: System, { temperature }: Heat): boolean {
  return onlySampled === undefined || temperature > 0;
}

function decodingOf(
  heat: Heat,
  ready: readonly Ready[],
  { target }: SystemParts,
  options: SystemsPlanOptions,
): EvaluationDecoding {
  const warp = warpOf({ ...options, ...heat });
  const { maxTokens, verify } = options;
  const suited = ready.filter(({ system }) => isSuited(system, heat));
  const arms = suited.flatMap(({ arms }) =>
    arms.map(({ draft, gamma, verify, decoder }) => ({
      draft,
      gamma,
      verify,
      write: writerOf(async () => await decoder({ warp, maxTokens })),
    }))
  );
  const nothing = { kind: "none", size: 0 } as const;
  const plain = writerOf(() => decoderOf(target, nothing, { gamma: 0, verify, warp, maxTokens }));
  return { name: heatName(heat), greedy: heat.temperature === 0, plain, arms };
}

function measuredSystem(system: System, arms: readonly PlannedArm[]): MeasuredSystem {
  const { title, drafts, draftPasses, models, sampled } = system;
  const settings = arms.map(({ draft, gamma, verify, setting }) => ({
    draft: draft.name,
    gamma,
    verify,
    setting,
  }));
  return { title, drafts, draftPasses, models, sampled, arms: settings };
}

function missingSystem({ system, obstacle }: Asked, target: CommandTarget): MissingSystem {
  const { title, needs } = system;
  if (obstacle !== undefined) return { title, reason: obstacle, commands: [] };
  return {
    title,
    reason: `needs ${needs?.what ?? "what was not given"}`,
    commands: needs?.commands(target) ?? [],
  };
}

/** Where a system has nothing of its own under greedy decoding, the report says so. */
function greedyGap(
  { title, onlySampled: reason }: System,
  heats: readonly Heat[],
): MissingSystem[] {
  const isGreedy = heats.some(({ temperature }) => temperature === 0);
  return reason === undefined || !isGreedy
    ? []
    : [{ title: `${title} at T = 0`, reason, commands: [] }];
}
