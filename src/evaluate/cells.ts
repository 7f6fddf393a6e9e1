/**
 * Records by what they are of: all texts of one draft in one setting on one task.
 *
 * @module
 */
import type {
  ArmSetting,
  DecodingIdentity,
  DraftIdentity,
  EvaluationRecord,
  TaskIdentity,
} from "./record.ts";
import type { Tally } from "./tally.ts";

/** One prompt's text with a draft, and the plain one that was written beside it. */
export interface Sample {
  /** What the steps with the draft did. */
  readonly tally: Tally;
  /** What plain decoding took, where it was not cut short. */
  readonly plain: Tally | undefined;
  /** Whether both gave the same tokens. */
  readonly equal: boolean;
}

/** What a cell is of. */
export interface CellSetting extends ArmSetting {
  /** The task, or several tasks together. */
  readonly task: TaskIdentity;
  /** How tokens were chosen. */
  readonly decoding: DecodingIdentity;
}

/** All texts of one draft in one setting on one task. */
export interface Cell extends CellSetting {
  /** The draft. */
  readonly draft: DraftIdentity;
  /** Its texts, by prompt. */
  readonly samples: ReadonlyMap<string, Sample>;
}

/** Plain decoding of one task. */
export interface PlainCell {
  /** The task. */
  readonly task: TaskIdentity;
  /** How tokens were chosen. */
  readonly decoding: DecodingIdentity;
  /** All its texts. */
  readonly tallies: readonly Tally[];
}

/** The name of all tasks that drafts were trained for, taken together. */
export const IN_DISTRIBUTION = "in distribution";

const POOLED: TaskIdentity = { name: IN_DISTRIBUTION, outOfDistribution: false };

/**
 * The cells of records, in the order of tasks, decodings, lengths, rules and drafts. Where several
 * tasks are in distribution, all of them together come last as a task of its own.
 */
export function cellsOf(records: readonly EvaluationRecord[]): Cell[] {
  const plain = plainTexts(records);
  const order = orderOf(records);
  const drafted = records.flatMap(({ arm, ...rest }) => arm === undefined ? [] : { ...rest, arm });
  const groups = Map.groupBy(
    drafted,
    ({ task, decoding, arm: { draft, gamma, verify } }) =>
      JSON.stringify([task.name, decoding.name, gamma, verify, draft.name]),
  );
  const cells = [...groups.values()].map((group): Cell => {
    const [{ task, decoding, arm: { draft, gamma, verify } }] = group;
    const samples = group.map((record): [string, Sample] => {
      const beside = plain.get(placeOf(record));
      const equal = beside?.digest === record.digest;
      return [promptName(record), { tally: record.tally, plain: beside?.tally, equal }];
    });
    return { task, decoding, gamma, verify, draft, samples: new Map(samples) };
  });
  cells.sort((a, b) => compareLists(order(a), order(b)));
  return [...cells, ...pooledCells(cells)];
}

/** The cells of plain decoding, in the order of {@link cellsOf}, without those of tasks together. */
export function plainCellsOf(records: readonly EvaluationRecord[]): PlainCell[] {
  const plain = records.filter(({ arm }) => arm === undefined);
  const tasks = namesOf(records, ({ task }) => task.name);
  const groups = Map.groupBy(plain, ({ task, decoding }) => `${task.name}\n${decoding.name}`);
  return [...groups.values()].map((group) => {
    const [{ task, decoding }] = group;
    return { task, decoding, tallies: group.map(({ tally }) => tally) };
  }).sort((a, b) => tasks.indexOf(a.task.name) - tasks.indexOf(b.task.name));
}

/** A text that says whether two cells differ in nothing but the draft. */
export function settingName({ task, decoding, gamma, verify }: CellSetting): string {
  return JSON.stringify([task.name, decoding.name, gamma, verify]);
}

function pooledCells(cells: readonly Cell[]): Cell[] {
  const known = cells.filter(({ task }) => !task.outOfDistribution);
  if (new Set(known.map(({ task }) => task.name)).size < 2) return [];
  const groups = Map.groupBy(
    known,
    (cell) => settingName({ ...cell, task: POOLED }) + cell.draft.name,
  );
  return [...groups.values()].map((group) => ({
    ...group[0],
    task: POOLED,
    samples: new Map(group.flatMap(({ samples }) => [...samples])),
  }));
}

function promptName({ task, prompt }: Pick<EvaluationRecord, "task" | "prompt">): string {
  return `${task.name} ${prompt}`;
}

function placeOf(record: Omit<EvaluationRecord, "arm">): string {
  return JSON.stringify([promptName(record), record.decoding.name, record.visit]);
}

function plainTexts(records: readonly EvaluationRecord[]): ReadonlyMap<string, EvaluationRecord> {
  const plain = records.filter(({ arm }) => arm === undefined);
  return new Map(plain.map((record) => [placeOf(record), record]));
}

function namesOf(
  records: readonly EvaluationRecord[],
  name: (record: EvaluationRecord) => string,
): string[] {
  return [...new Set(records.map(name))];
}

/** The place of a cell among all, by what was measured first. */
function orderOf(records: readonly EvaluationRecord[]): (cell: Cell) => readonly number[] {
  const tasks = namesOf(records, ({ task }) => task.name);
  const decodings = namesOf(records, ({ decoding }) => decoding.name);
  const gammas = namesOf(records, ({ arm }) => `${arm?.gamma}`);
  const rules = namesOf(records, ({ arm }) => `${arm?.verify}`);
  const drafts = namesOf(records, ({ arm }) => `${arm?.draft.name}`);
  return ({ task, decoding, gamma, verify, draft }) => [
    tasks.indexOf(task.name),
    decodings.indexOf(decoding.name),
    gammas.indexOf(`${gamma}`),
    rules.indexOf(verify),
    drafts.indexOf(draft.name),
  ];
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  const differing = a.findIndex((value, i) => value !== b[i]);
  return differing === -1 ? 0 : a[differing] - b[differing];
}
