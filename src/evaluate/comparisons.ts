/**
 * Drafts against one another: the same prompts, in pairs.
 *
 * @module
 */
import { bootstrap, type Draws, type Figure } from "./bootstrap.ts";
import { type Cell, settingName } from "./cells.ts";
import { BASE, isFinetuned, namedSteps } from "./draft_names.ts";
import type { ArmSetting } from "./record.ts";
import { decodingSeconds, ratio } from "./tally.ts";

/** Draws for so many prompts, the same for all that ask. */
export type DrawsOf = (prompts: number) => Draws;

/** How one draft does against another. */
export interface DraftComparison extends ArmSetting {
  /** The task, or several together. */
  readonly task: string;
  /** Whether drafts were trained for other texts. */
  readonly outOfDistribution: boolean;
  /** How tokens were chosen. */
  readonly decoding: string;
  /** Whether greedily. */
  readonly greedy: boolean;
  /** The draft that is compared. */
  readonly of: string;
  /** The draft that it is compared with. */
  readonly with: string;
  /** Prompts that both decoded. */
  readonly prompts: number;
  /** tau of the first over that of the second. */
  readonly tauRatio: Figure;
  /** tau of the first minus that of the second. */
  readonly tauDifference: Figure;
  /** The first's tokens per second over the second's, each over its own plain decoding. */
  readonly speedRatio: Figure;
}

/** Every finetuned draft with the base. */
export function comparisonsWithBase(cells: readonly Cell[], drawsOf: DrawsOf): DraftComparison[] {
  return pairsOf(cells, (a, b) => isFinetuned(a.draft) && b.draft.name === BASE)
    .map((pair) => compared(pair, drawsOf));
}

/** Every two different drafts of some names, each pair once, the later measured one first. */
export function comparisonsOfDrafts(
  cells: readonly Cell[],
  names: ReadonlySet<string>,
  drawsOf: DrawsOf,
): DraftComparison[] {
  const known = cells.filter(({ draft }) => names.has(draft.name));
  const order = [...new Set(known.map(({ draft }) => draft.name))];
  const isLater = (a: Cell, b: Cell) => order.indexOf(a.draft.name) > order.indexOf(b.draft.name);
  return pairsOf(known, isLater).map((pair) => compared(pair, drawsOf));
}

/** tau by the steps of a run. */
export interface Curve extends ArmSetting {
  /** The run's name: that of its loss. */
  readonly run: string;
  /** The task, or several together. */
  readonly task: string;
  /** How tokens were chosen. */
  readonly decoding: string;
  /** tau after so many steps; that of the base, where there is one, after 0. */
  readonly points: readonly { readonly steps: number; readonly tau: Figure }[];
  /** tau at the end minus tau at the beginning, in pairs. */
  readonly gain: Figure;
}

/** The curves of all runs with two or more drafts whose names say their steps. */
export function curvesOf(cells: readonly Cell[], drawsOf: DrawsOf): Curve[] {
  const bases = new Map(
    cells.filter(({ draft }) => draft.name === BASE).map((cell) => [settingName(cell), cell]),
  );
  const placed = cells.filter(({ draft }) => namedSteps(draft.name).steps !== undefined);
  const runs = Map.groupBy(
    placed,
    (cell) => settingName(cell) + namedSteps(cell.draft.name).run,
  );
  return [...runs.values()].flatMap((cells) => {
    const base = bases.get(settingName(cells[0]));
    const drafts = cells.map((cell) => ({ steps: stepsOf(cell), cell }))
      .sort((a, b) => a.steps - b.steps);
    const all = base === undefined ? drafts : [{ steps: 0, cell: base }, ...drafts];
    if (all.length < 2) return [];
    const { task, decoding, gamma, verify, draft } = cells[0];
    return {
      run: namedSteps(draft.name).run,
      task: task.name,
      decoding: decoding.name,
      gamma,
      verify,
      points: all.map(({ steps, cell }) => ({ steps, tau: tauOf(cell, drawsOf) })),
      gain: compared([all[all.length - 1].cell, all[0].cell], drawsOf).tauDifference,
    };
  });
}

function stepsOf({ draft }: Cell): number {
  return namedSteps(draft.name).steps ?? 0;
}

/** tau of a cell. */
export function tauOf({ samples }: Pick<Cell, "samples">, drawsOf: DrawsOf): Figure {
  const counts = [...samples.values()].map(({ tally }) => [tally.tokens, tally.passes]);
  return bootstrap(counts, ([tokens, passes]) => ratio(tokens, passes), drawsOf(counts.length));
}

function pairsOf(
  cells: readonly Cell[],
  isPair: (a: Cell, b: Cell) => boolean,
): (readonly [Cell, Cell])[] {
  const settings = Map.groupBy(cells, settingName);
  return [...settings.values()].flatMap((group) =>
    group.flatMap((a) => group.filter((b) => isPair(a, b)).map((b) => [a, b] as const))
  );
}

function compared([a, b]: readonly [Cell, Cell], drawsOf: DrawsOf): DraftComparison {
  const both = [...a.samples].flatMap(([prompt, first]) => {
    const second = b.samples.get(prompt);
    return second === undefined ? [] : [[first, second] as const];
  });
  const counts = both.map((
    [{ tally: x }, { tally: y }],
  ) => [x.tokens, x.passes, y.tokens, y.passes]);
  const times = both.flatMap(([x, y]) =>
    x.plain === undefined || y.plain === undefined
      ? []
      : [[x.tally, x.plain, y.tally, y.plain].flatMap((one) => [one.tokens, decodingSeconds(one)])]
  );
  const draws = drawsOf(both.length);
  const taus = ([x, n, y, m]: readonly number[]) => [ratio(x, n), ratio(y, m)];
  const { task, decoding, gamma, verify } = a;
  return {
    task: task.name,
    outOfDistribution: task.outOfDistribution,
    decoding: decoding.name,
    greedy: decoding.greedy,
    gamma,
    verify,
    of: a.draft.name,
    with: b.draft.name,
    prompts: both.length,
    tauRatio: bootstrap(counts, (sums) => ratio(taus(sums)[0], taus(sums)[1]), draws),
    tauDifference: bootstrap(counts, (sums) => taus(sums)[0] - taus(sums)[1], draws),
    speedRatio: bootstrap(times, speedRatio, drawsOf(times.length)),
  };
}

/** Of tokens and seconds of two drafts, each followed by those of plain decoding beside it. */
function speedRatio([x, xTime, px, pxTime, y, yTime, py, pyTime]: readonly number[]): number {
  const own = ratio(ratio(x, xTime), ratio(px, pxTime));
  return ratio(own, ratio(ratio(y, yTime), ratio(py, pyTime)));
}
