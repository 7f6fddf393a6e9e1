/**
 * What steps with a draft take beside plain ones, and at which costs they would pay.
 *
 * @module
 */
import { ratio, type Tally } from "./tally.ts";

/** What a step takes, in times of plain decoding's target pass. */
export interface StepCosts {
  /** Drafting, whatever comes of it. */
  readonly drafting: number;
  /** v(M): the target's pass over all rows, or what it was waited for where it runs beside a draft. */
  readonly pass: number;
  /** Warps, verification, sampling and the host's work. */
  readonly host: number;
  /** A step of plain decoding: its pass, which is 1, and its own host's work. */
  readonly plain: number;
}

/** What makes a step with a draft longer than a plain one. */
export type Cost = "drafting" | "pass" | "host";

/** Why drafts lose time, and what would have to change. */
export interface BreakEven {
  /** What a step takes most of, beyond what a plain one takes. */
  readonly because: Cost;
  /** The time that a step may take at this tau, in plain passes. */
  readonly allowed: number;
  /** The tau that would pay for these costs. */
  readonly tau: number;
  /** Most that drafting may take if nothing else changes; left out where none is little enough. */
  readonly drafting?: number;
  /** Most that the pass may take if nothing else changes; left out where not even 1 is enough. */
  readonly pass?: number;
  /** Most that drafting may take if all rows together cost what one does; left out as above. */
  readonly draftingWithFreeRows?: number;
}

/**
 * The costs of a step, from what the steps of texts took and what plain ones beside them did.
 *
 * @example
 * ```ts
 * import { NO_TALLY, stepCostsOf } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const none = NO_TALLY.seconds;
 * const plain = { ...NO_TALLY, passes: 10, seconds: { ...none, target: 10, host: 1 } };
 * const drafted = { ...NO_TALLY, passes: 4, seconds: { ...none, target: 8, draft: 2 } };
 * assertEquals(stepCostsOf(drafted, plain), { drafting: 0.5, pass: 2, host: 0, plain: 1.1 });
 * ```
 */
export function stepCostsOf(
  { passes, seconds }: Pick<Tally, "passes" | "seconds">,
  plain: Pick<Tally, "passes" | "seconds">,
): StepCosts {
  const unit = ratio(plain.seconds.target, plain.passes);
  const perStep = (time: number): number => ratio(ratio(time, passes), unit);
  const plainHost = ratio(plain.seconds.verify + plain.seconds.host, plain.passes);
  return {
    drafting: perStep(seconds.draft),
    pass: perStep(seconds.target),
    host: perStep(seconds.verify + seconds.host),
    plain: 1 + ratio(plainHost, unit),
  };
}

/**
 * Why steps of `tau` tokens take longer than `tau` plain ones; undefined where they do not.
 *
 * They gain time where `drafting + pass + host < tau plain`: the wall-clock ratio of Leviathan et al.
 * 2023, `tau / (v(M) + gamma c)`, with the host's work beside the models'.
 *
 * @example
 * ```ts
 * import { breakEvenOf } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const costs = { drafting: 1, pass: 1.5, host: 0, plain: 1 };
 * assertEquals(breakEvenOf(2, costs), {
 *   because: "drafting",
 *   allowed: 2,
 *   tau: 2.5,
 *   drafting: 0.5,
 *   pass: 1,
 *   draftingWithFreeRows: 1,
 * });
 * assertEquals(breakEvenOf(3, costs), undefined);
 * ```
 */
export function breakEvenOf(tau: number, costs: StepCosts): BreakEven | undefined {
  const { drafting, pass, host, plain } = costs;
  const allowed = tau * plain;
  if (drafting + pass + host <= allowed) return undefined;
  const excess: readonly (readonly [Cost, number])[] = [
    ["drafting", drafting],
    ["pass", pass - 1],
    ["host", host - (plain - 1)],
  ];
  const [because] = excess.reduce((a, b) => b[1] > a[1] ? b : a);
  return {
    because,
    allowed,
    tau: (drafting + pass + host) / plain,
    drafting: atMost(allowed - pass - host, 0),
    pass: atMost(allowed - drafting - host, 1),
    draftingWithFreeRows: atMost(allowed - 1 - host, 0),
  };
}

/** A bound, where it is not below what is possible. */
function atMost(most: number, least: number): number | undefined {
  return most < least ? undefined : most;
}
