/**
 * The frame of a benchmark program: flags, the machine, what is skipped, and the report.
 *
 * @module
 */
import {
  type CommandContext,
  denoEffects,
  type Flags,
  integer,
  runCommand,
  text,
  toggle,
} from "@outrider/outrider/cli";
import { machineFacts } from "./machine.ts";
import { type Findings, reportText, type Skipped } from "./report.ts";
import type { RoundOptions } from "./rounds.ts";

/** Flags of every benchmark. */
export const benchFlags = {
  quick: toggle({ help: "small sizes and few rounds: shows that it runs, measures little" }),
  rounds: integer({ default: 0, minimum: 0, help: "rounds that count; 0 is the usual number" }),
  only: text({ default: "", help: "leave out what does not have this text in its name" }),
  json: toggle({ help: "print one JSON object" }),
};

/** What {@link benchFlags} give. */
export interface BenchOptions {
  readonly quick: boolean;
  readonly rounds: number;
  readonly only: string;
}

/** What a benchmark works with besides its options. */
export interface Bench {
  /** Writes remarks on the way to standard error. */
  readonly log: (text: string) => void;
  /** Whether `--only` lets a part through. */
  readonly wants: (name: string) => boolean;
  /** Tries to make something; where that fails, its name and the reason are reported. */
  readonly attempt: <Made>(name: string, make: () => Promise<Made>) => Promise<Made | undefined>;
  /** Rounds and warm-up, with progress on standard error under the given label. */
  readonly roundOptions: (
    label: string,
    usual: Pick<RoundOptions, "rounds" | "warmUp">,
  ) => RoundOptions;
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A benchmark: a name, flags, and settings by size. */
export interface BenchSpec<Options, Settings> {
  readonly name: string;
  readonly summary: string;
  /** {@link benchFlags} and any of its own. */
  readonly flags: Flags<Options>;
  /** Sizes and counts of a usual run. */
  readonly settings: Settings;
  /** Those of a run with `--quick`. */
  readonly quick: Settings;
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0];
}

function benchOf({ only }: BenchOptions, context: CommandContext, skipped: Skipped[]): Bench {
  const { log, signal } = context;
  return {
    log,
    signal,
    wants: (name) => name.includes(only),
    attempt: async (name, make) => {
      try {
        return await make();
      } catch (error) {
        signal.throwIfAborted();
        const reason = reasonOf(error);
        skipped.push({ name, reason });
        log(`skipped: ${name}: ${reason}\n`);
        return undefined;
      }
    },
    roundOptions: (label, usual) => {
      const { rounds, warmUp } = usual;
      const total = rounds + warmUp;
      const bar = context.progress({ label, unit: "rounds", total });
      const onRound = (done: number): void => {
        bar.update(done);
        if (done === total) bar.finish();
      };
      return { rounds, warmUp, signal, onRound };
    },
  };
}

/** Under `deno bench` other files follow in the same process: only a failure may end it. */
function failOnly(code: number): void {
  if (code !== 0) throw new Error(`the benchmark ended with code ${code}`);
}

/**
 * Runs a benchmark. `deno run` gives flags to it and `deno bench` behind `--`; Deno's own loop
 * repeats one function at a time and cannot take turns between rivals, so the work is done while
 * the module loads and both ways print the same report.
 */
export async function runBench<Options extends BenchOptions, Settings extends object>(
  meta: ImportMeta,
  spec: BenchSpec<Options, Settings>,
  work: (bench: Bench, settings: Settings, options: Options) => Promise<Findings>,
): Promise<void> {
  const usual = denoEffects();
  const effects = {
    ...usual,
    args: usual.args.filter((argument) => argument !== "--"),
    exit: meta.main ? usual.exit : failOnly,
  };
  await runCommand(spec, async (options, context) => {
    const machine = await machineFacts();
    if (machine.load > 0.5) {
      context.log(`load ${machine.load.toFixed(2)}: other programs disturb the figures\n`);
    }
    const skipped: Skipped[] = [];
    const sized = options.quick ? spec.quick : spec.settings;
    const settings = options.rounds === 0 ? sized : { ...sized, rounds: options.rounds };
    const findings = await work(benchOf(options, context, skipped), settings, options);
    const used = { ...options, ...settings };
    const report = { benchmark: spec.name, machine, settings: used, ...findings, skipped };
    context.print(reportText(report));
    return report;
  }, effects);
}
