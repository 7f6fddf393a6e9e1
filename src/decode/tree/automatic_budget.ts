/**
 * As many nodes as pay, by the cost curve and by how far the drafter's probabilities have held.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { StepReport } from "../decoder.ts";
import {
  afterDraftStep,
  afterPlainStep,
  forgetful,
  isTimed,
  NO_STEPS,
  type StepTimes,
} from "../step_times.ts";
import { type TreeBudget, treeBudget, type TreeCosts, treeTime } from "./tree_budget.ts";

/** What {@link automaticBudget} has seen. */
export interface AutomaticBudgetState {
  /** Drafted tokens that stood, older ones weighing less. */
  readonly accepted: number;
  /** The drafter's probabilities of the nodes that were read, summed, older ones weighing less. */
  readonly expected: number;
  /** Tokens per time that trees have promised of late, over those of plain steps. */
  readonly gain: number;
  /** Plain steps until a tree is tried again; 0 while trees pay. */
  readonly wait: number;
  /** What steps take. */
  readonly times: StepTimes;
}

/** How {@link automaticBudget} learns. */
export interface AutomaticBudgetOptions {
  /** Most nodes of a tree; 64 if left out. */
  readonly most?: number;
  /** How many trees the estimate remembers; 64 if left out. */
  readonly memory?: number;
  /** Plain steps after trees that did not pay; 32 if left out. */
  readonly retry?: number;
}

/** The estimate begins as if so many tokens had been expected and had stood. */
const UNSEEN = 2;
/** Trees must promise this much over plain decoding, since costs are measured, not known. */
const LEAST_GAIN = 1.05;
/** Share of a tree's promise in the running mean: a single poor one does not end drafting. */
const GAIN_SHARE = 1 / 8;

/** Before the first step. */
const START: AutomaticBudgetState = {
  accepted: UNSEEN,
  expected: UNSEEN,
  gain: LEAST_GAIN,
  wait: 0,
  times: NO_STEPS,
};

/** What a node's probability is worth: that of what was promised so far that came true. */
function trust(
  { accepted, expected }: Pick<AutomaticBudgetState, "accepted" | "expected">,
): number {
  return Math.min(1, accepted / expected);
}

/**
 * The number of nodes that gives the most tokens per second ({@link treeBudget}), and no tree for a
 * while where they do not promise a twentieth more than plain decoding.
 *
 * A drafter is surer of its own texts than of new ones, and of paths it says what a product of
 * marginals says; so probabilities count for the share of them that has come true so far. Times begin
 * as the given costs and follow what steps report, against plain ones: a text begins with two of these,
 * and one comes after 32 trees. Since any tree is exact, texts do not depend on what was chosen.
 *
 * Throws an {@link OutriderError} for a most, a memory or a retry below 1.
 *
 * @example
 * ```ts
 * import { automaticBudget } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const costs = { rowsCost: () => 1, hostCost: () => 0, blockCost: 0.2 };
 * const rule = automaticBudget(costs, { retry: 2 });
 * const seconds = { prefill: 0, draft: 0, target: 1, verify: 0, host: 0 };
 * const rejected = { accepted: 0, emitted: 1, seconds };
 * // A tree that promises a tenth of a token does not pay for its drafting: plain steps follow.
 * let state = rule.init();
 * const asked = Array.from({ length: 6 }, () => {
 *   const nodes = rule.nodes(state);
 *   state = rule.step(state, { ...rejected, drafted: nodes > 0 ? 2 : 0 }, nodes > 0 ? 0.1 : 0);
 *   return nodes;
 * });
 * assertEquals(asked, [0, 0, 64, 0, 0, 64]);
 * assertEquals(rule.cut(state, [0.5, 0.25]), 2);
 * ```
 */
export function automaticBudget(
  costs: TreeCosts,
  { most = 64, memory = 64, retry = 32 }: AutomaticBudgetOptions = {},
): TreeBudget<AutomaticBudgetState> {
  if (!(most >= 1 && memory >= 1 && retry >= 1)) {
    throw new OutriderError(
      "a most, a memory and a retry of 1 or more",
      `${most}, ${memory}, ${retry}`,
      "leave them out",
    );
  }
  const plain = costs.rowsCost(1) + costs.hostCost(0);
  const keep = 1 - 1 / memory;
  const afterTree = (
    state: AutomaticBudgetState,
    report: StepReport,
    promised: number,
  ): AutomaticBudgetState => {
    const time = treeTime(costs, report.drafted) / plain;
    const seen = {
      accepted: keep * state.accepted + report.accepted,
      expected: keep * state.expected + promised,
      times: afterDraftStep(state.times, report, time),
    };
    const rate = (1 + trust(seen) * promised) / (seen.times.correction * time);
    const gain = state.gain + GAIN_SHARE * (rate - state.gain);
    return gain < LEAST_GAIN
      ? { ...seen, gain: LEAST_GAIN, wait: retry }
      : { ...seen, gain, wait: 0 };
  };
  return {
    init: () => START,
    nodes: ({ wait, times }) => wait > 0 || !isTimed(times) ? 0 : most,
    cut: (state, probabilities) => {
      const trusted = probabilities.map((probability) => trust(state) * probability);
      return treeBudget(costs, trusted);
    },
    step: (state, report, promised) => {
      if (state.wait === 0 && isTimed(state.times)) return afterTree(state, report, promised);
      const times = afterPlainStep(state.times, report);
      const wait = Math.max(0, state.wait - 1);
      // What was learned in a bad moment must not last.
      return { ...state, wait, times: state.wait === 1 ? forgetful(times) : times };
    },
  };
}
