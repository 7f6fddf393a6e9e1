/**
 * At which cost of rows trees pay, by algebra: whatever the machine is.
 *
 * @module
 */
import { formatTable } from "@outrider/outrider/cli";

/** Tokens a pass of a way to decode. */
export interface Yield {
  readonly name: string;
  /** Drafted tokens of a step. */
  readonly nodes: number;
  readonly tau: number;
}

/** Times of drafting, in passes of one row. */
const DRAFTING = [0, 0.2];

/**
 * The most that each row beyond the first may take, in passes of one row, for steps of `tau` tokens to
 * pay over plain decoding: v(M) = 1 + s (M - 1) and `tau = v(1 + nodes) + drafting`.
 */
export function rowThatPays({ tau, nodes }: Yield, drafting: number): number {
  return Math.max(0, (tau - drafting - 1) / nodes);
}

/** The same for steps to give more tokens per time than other ones with the same drafter. */
export function rowThatBeats(one: Yield, other: Yield, drafting: number): number {
  const gained = (one.tau - other.tau) * (1 + drafting);
  if (gained <= 0) return 0;
  const needed = other.tau * one.nodes - one.tau * other.nodes;
  return needed <= 0 ? Infinity : gained / needed;
}

/** Both for every way; the first is the chain. */
export function economicsTable(heat: number, ways: readonly Yield[]): string {
  const [chain] = ways;
  const rows = ways.map((way) => [
    way.name,
    way.tau,
    ...DRAFTING.flatMap((drafting) => [
      rowThatPays(way, drafting).toFixed(3),
      way === chain ? "" : shown(rowThatBeats(way, chain, drafting)),
    ]),
  ]);
  const columns = DRAFTING.flatMap((drafting) => [
    `drafting ${drafting}: over plain`,
    "over the chain",
  ]);
  return formatTable([`T=${heat}, pays where a row takes less than`, "tau", ...columns], rows);
}

function shown(slope: number): string {
  return slope === Infinity ? "any" : slope.toFixed(3);
}
