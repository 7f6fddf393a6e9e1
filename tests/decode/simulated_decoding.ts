/** Decoding on paper: a rule for the draft's length, a machine with given costs, and a text. */
import { foldIn, keyOf, uniform } from "../../src/core/random.ts";
import type { DraftLength, StepReport } from "../../src/decode/mod.ts";

/** What a machine takes; times are target passes of one row. */
export interface Machine {
  readonly name: string;
  readonly draftCost: number;
  readonly blockCost: number;
  readonly catchUpCost: number;
  readonly rowsCost: (rows: number) => number;
  readonly hostCost: (drafted: number) => number;
  /** Whether the drafter guesses while it is not asked to draft. */
  readonly guesses: boolean;
}

/** How likely a drafted token stands, by its place in the text, its place in the draft, and the draft. */
export type Acceptance = (position: number, place: number, drafted: number) => number;

/** A text to be written. */
export interface SimulatedText {
  readonly tokens: number;
  readonly acceptance: Acceptance;
  readonly seed?: number;
  /** How many tokens the drafter has to offer at a place; any number if left out. */
  readonly offered?: (position: number) => number;
  /** What a report's times are multiplied with; the clock's noise, not the machine's. */
  readonly noise?: (chance: number) => number;
  /** How much longer everything takes after so many tokens. */
  readonly growth?: (written: number) => number;
  /** How many steps begin before a step's report is seen; 0 if left out. */
  readonly ahead?: number;
}

/** How a text was written. */
export interface SimulatedRun {
  /** Time over that of plain decoding. */
  readonly time: number;
  /** The drafts' lengths, step by step. */
  readonly lengths: readonly number[];
}

const SECONDS_PER_PASS = 0.01;

/** Writes a text by a rule. Times are the machine's; what the rule is told of them may be noisy. */
export function simulate<State>(
  rule: DraftLength<State>,
  machine: Machine,
  text: SimulatedText,
): SimulatedRun {
  const { tokens, acceptance, seed = 1 } = text;
  const { offered = () => Infinity, noise = () => 1, growth = () => 1, ahead = 0 } = text;
  const unseen: StepReport[] = [];
  const key = keyOf(seed);
  const lengths: number[] = [];
  let [state, time, plainTime, written, idle] = [rule.init(), 0, 0, 0, 0];
  while (written < tokens) {
    const awaiting = unseen.reduce(
      (before, report) => rule.awaiting?.(before, report.drafted) ?? before,
      state,
    );
    const drafted = Math.min(rule.gamma(awaiting), offered(written));
    let accepted = 0;
    const stands = (): boolean =>
      uniform(foldIn(key, written + accepted)) < acceptance(written + accepted, accepted, drafted);
    const guess = machine.guesses && drafted === 0 && offered(written) > 0
      ? { guessed: stands() }
      : {};
    while (accepted < drafted && stands()) accepted++;
    const draft = drafted === 0
      ? 0
      : machine.blockCost + drafted * machine.draftCost + idle * machine.catchUpCost;
    const [target, host] = [machine.rowsCost(drafted + 1), machine.hostCost(drafted)];
    const scale = growth(written);
    time += scale * (draft + target + host);
    const emitted = Math.min(accepted + 1, tokens - written);
    plainTime += emitted * scale * (machine.rowsCost(1) + machine.hostCost(0));
    const told = SECONDS_PER_PASS * scale * noise(uniform(foldIn(foldIn(key, "noise"), written)));
    const seconds = {
      prefill: 0,
      draft: told * draft,
      target: told * target,
      verify: told * host / 2,
      host: told * host / 2,
    };
    unseen.push({ drafted, accepted, emitted: accepted + 1, ...guess, seconds });
    if (unseen.length > ahead) state = unseen.splice(0, 1).reduce(rule.step, state);
    written += accepted + 1;
    idle = drafted === 0 ? idle + 1 : 0;
    lengths.push(drafted);
  }
  return { time: time / plainTime, lengths };
}

/** A machine whose rows and host work grow evenly. */
export function evenMachine(
  name: string,
  { draft = 0, block = 0, row = 0, host = 0, hostPerToken = 0, catchUp = 0, guesses = false }: {
    readonly draft?: number;
    readonly block?: number;
    readonly row?: number;
    readonly host?: number;
    readonly hostPerToken?: number;
    readonly catchUp?: number;
    readonly guesses?: boolean;
  },
): Machine {
  return {
    name,
    draftCost: draft,
    blockCost: block,
    catchUpCost: catchUp,
    rowsCost: (rows) => 1 + row * (rows - 1),
    hostCost: (drafted) => host + hostPerToken * drafted,
    guesses,
  };
}

/** Machines of many kinds. */
export const MACHINES: readonly Machine[] = [
  ...[0, 0.05, 0.2, 0.6, 1.2].flatMap((draft) =>
    [0, 0.05, 0.15, 0.3, 0.6, 1].map((row) =>
      evenMachine(`draft ${draft}, row ${row}`, { draft, row, catchUp: draft / 10 })
    )
  ),
  ...[0, 0.05, 0.15, 0.3, 0.6, 1].map((row) =>
    evenMachine(`lookup, row ${row}`, { row, guesses: true })
  ),
  ...[0.1, 0.3, 0.8, 1.5].flatMap((block) =>
    [0, 0.15, 0.6].map((row) =>
      evenMachine(`block ${block}, row ${row}`, { block, draft: 0.01, row, catchUp: 0.002 })
    )
  ),
  evenMachine("a tiny model, mostly host", { row: 0.2, host: 1, hostPerToken: 0.4, guesses: true }),
  evenMachine("a tiny model with a tiny draft", { draft: 0.4, row: 0.1, host: 2, catchUp: 0.1 }),
  evenMachine("a large vocabulary", {
    draft: 0.05,
    row: 0.1,
    host: 0.01,
    hostPerToken: 0.1,
    catchUp: 0.005,
  }),
  {
    name: "rows in fours",
    draftCost: 0.02,
    blockCost: 0,
    catchUpCost: 0.001,
    rowsCost: (rows) => 1 + 0.3 * Math.ceil((rows - 1) / 4),
    hostCost: () => 0,
    guesses: false,
  },
  {
    name: "rows that are dear from the fifth on",
    draftCost: 0,
    blockCost: 0,
    catchUpCost: 0,
    rowsCost: (rows) => 1 + 0.3 * (rows - 1) + 0.5 * Math.max(0, rows - 4),
    hostCost: (drafted) => 0.02 + 0.02 * drafted,
    guesses: true,
  },
];

const shareOf = (share: number): Acceptance => () => share;

/** Texts of many kinds, some of them written to mislead. */
export const ACCEPTANCES: Readonly<Record<string, Acceptance>> = {
  never: shareOf(0),
  poor: shareOf(0.2),
  even: shareOf(0.5),
  good: shareOf(0.8),
  always: shareOf(1),
  "good, then never": (position) => position < 100 ? 0.9 : 0,
  "never, then good": (position) => position < 100 ? 0 : 0.9,
  "in turns": (position) => position % 200 < 100 ? 0.9 : 0.05,
  bursts: (position) => position % 24 < 12 ? 0.95 : 0,
  "short bursts": (position) => position % 7 < 3 ? 1 : 0,
  alternating: (position) => position % 2 === 0 ? 1 : 0,
  "short drafts stand, longer ones fail": (_position, _place, drafted) => drafted < 2 ? 1 : 0,
  "only the first token stands": (_position, place) => place === 0 ? 1 : 0,
  "guesses come true, drafts do not": (_position, _place, drafted) => drafted === 0 ? 1 : 0,
  "always, until it is trusted": (position) => position < 40 ? 1 : 0,
  "trusted again and again": (position) => position % 64 < 16 ? 1 : 0,
};
