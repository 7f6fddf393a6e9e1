/**
 * The effects of a command, as a value: what tests replace and what Deno provides.
 *
 * @module
 */

/** Ctrl-C, or the request to end that service managers and batch systems send. */
export type Interruption = "SIGINT" | "SIGTERM";

/** Everything a command does to the world outside, except for its own work. */
export interface CommandEffects {
  /** The arguments after the script's name. */
  readonly args: readonly string[];
  /** Writes to standard output. */
  readonly writeOut: (text: string) => void;
  /** Writes to standard error. */
  readonly writeError: (text: string) => void;
  /** Whether standard error is a terminal, where a line can be drawn over. */
  readonly errorIsTerminal: boolean;
  /** The width of that terminal, in characters. */
  readonly columns: number;
  /** The time in milliseconds, from any starting point. */
  readonly now: () => number;
  /** Whether to print stack traces of errors nobody foresaw. */
  readonly showStacks: boolean;
  /** Calls back at every Ctrl-C and every request to end; returns how to stop listening. */
  readonly onInterrupt: (callback: (signal: Interruption) => void) => () => void;
  /** Ends the process. */
  readonly exit: (code: number) => void;
}

/** Writes all of the text, however often that takes. */
function writeAll(stream: { writeSync(data: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}

/** The environment variable's text, or undefined where it is unset or may not be read. */
function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}

function onInterrupt(callback: (signal: Interruption) => void): () => void {
  const signals: Interruption[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  const listeners = signals.map((signal) => [signal, () => callback(signal)] as const);
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  };
}

/**
 * The effects that Deno provides. `OUTRIDER_DEBUG` in the environment turns stack traces on.
 *
 * @example
 * ```ts
 * import { denoEffects } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(typeof denoEffects().now(), "number");
 * ```
 */
export function denoEffects(): CommandEffects {
  return {
    args: Deno.args,
    writeOut: (text) => writeAll(Deno.stdout, text),
    writeError: (text) => writeAll(Deno.stderr, text),
    errorIsTerminal: Deno.stderr.isTerminal(),
    columns: terminalColumns(),
    now: () => performance.now(),
    showStacks: (environment("OUTRIDER_DEBUG") ?? "") !== "",
    onInterrupt,
    exit: (code) => Deno.exit(code),
  };
}
