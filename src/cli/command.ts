/**
 * Running a command: options in, one line or one JSON object out, a clean exit code.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type CommandEffects, denoEffects } from "./effects.ts";
import { failureOf, INTERRUPTED, TERMINATED } from "./failure.ts";
import { type HelpSpec, helpText } from "./help.ts";
import { parseOptions } from "./parse.ts";
import { type Progress, startProgress } from "./progress.ts";

/** What a command's main function works with besides its options. */
export interface CommandContext {
  /** Arguments that belong to no flag. */
  readonly rest: readonly string[];
  /** Aborted at Ctrl-C or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Writes what a person reads: to standard output, or to standard error under `--json`. */
  readonly print: (text: string) => void;
  /** Writes remarks: always to standard error. */
  readonly log: (text: string) => void;
  /** Starts a progress report on standard error. */
  readonly progress: (
    work: { label: string; unit: string; total?: number; startedAt?: number; seconds?: number },
  ) => Progress;
}

/**
 * A command's work. What it returns is its report: under `--json` that is printed as the one JSON
 * object on standard output, otherwise it is ignored.
 */
export type CommandMain<Options> = (
  options: Options,
  context: CommandContext,
) => Promise<object | void> | object | void;

/**
 * Parses the arguments, runs `main` and exits: 0 when it went well, 1 after an error, 2 for an
 * unknown flag, 130 after Ctrl-C, 143 after SIGTERM, 141 when the reader of the output has gone away.
 *
 * @example
 * ```ts
 * import { denoEffects, integer, runCommand, toggle } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const out: string[] = [];
 * const effects = {
 *   ...denoEffects(),
 *   args: ["--count", "3", "--json"],
 *   writeOut: (text: string) => void out.push(text),
 *   onInterrupt: () => () => {},
 *   exit: () => {},
 * };
 * const flags = { count: integer({ help: "how many", default: 1 }), json: toggle({ help: "as JSON" }) };
 * await runCommand({ name: "twice", summary: "Doubles.", flags }, ({ count }) => ({ twice: 2 * count }), effects);
 * assertEquals(out, ['{"twice":6}\n']);
 * ```
 *
 * @param spec name, summary and flags; a flag named `json` switches to the JSON convention
 * @param main the work
 * @param effects what the command may do to the world; Deno's own unless a test replaces them
 */
export async function runCommand<Options extends object>(
  spec: HelpSpec<Options>,
  main: CommandMain<Options>,
  effects: CommandEffects = denoEffects(),
): Promise<void> {
  const abort = new AbortController();
  let interrupted = INTERRUPTED;
  const stopListening = effects.onInterrupt((signal) => {
    interrupted = signal === "SIGTERM" ? TERMINATED : INTERRUPTED;
    if (abort.signal.aborted) effects.exit(interrupted);
    else effects.writeError("\nstopping cleanly; press Ctrl-C again to stop at once\n");
    abort.abort();
  });
  const code = await execute(spec, main, effects, abort.signal)
    .catch((error: unknown) => fail(effects, error));
  stopListening();
  effects.exit(code === INTERRUPTED ? interrupted : code);
}

async function execute<Options extends object>(
  spec: HelpSpec<Options>,
  main: CommandMain<Options>,
  effects: CommandEffects,
  signal: AbortSignal,
): Promise<number> {
  const parsed = parseOptions(spec.flags, effects.args);
  if (parsed.kind === "help") {
    effects.writeOut(helpText(spec));
    return 0;
  }
  if (parsed.kind === "unknown") {
    effects.writeError(`error: ${parsed.message}\n`);
    return 2;
  }
  const { options, rest } = parsed;
  if (rest.length > 0 && spec.rest === undefined) {
    throw new OutriderError("flags only", `"${rest[0]}"`, `see ${spec.name} --help`);
  }
  const asJson = "json" in options && options.json === true;
  const report = await main(options, {
    rest,
    signal,
    print: asJson ? effects.writeError : effects.writeOut,
    log: effects.writeError,
    progress: (work) => startProgress(effects, work),
  });
  if (asJson && report !== undefined) effects.writeOut(`${toJson(report)}\n`);
  return signal.aborted ? INTERRUPTED : 0;
}

/** Prints the one line that an error deserves; a failing write must not fail again. */
function fail(effects: CommandEffects, error: unknown): number {
  const { line, code } = failureOf(error);
  const isForeseen = error instanceof OutriderError || code !== 1;
  const stack = effects.showStacks && !isForeseen && error instanceof Error
    ? error.stack
    : undefined;
  try {
    if (line !== "") effects.writeError(`error: ${stack ?? line}\n`);
  } catch {
    return code;
  }
  return code;
}

/** JSON on one line, with typed arrays as arrays. */
function toJson(report: object): string {
  return JSON.stringify(report, (_, value: unknown) => {
    if (!ArrayBuffer.isView(value) || value instanceof DataView) return value;
    return Array.from(Object.values(value));
  });
}
