/**
 * What went wrong, as one line and an exit code.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/** How a command ends after an error. */
export interface Failure {
  /** The line to print after `error: `; empty where there is nobody left to read it. */
  readonly line: string;
  /** The exit code. */
  readonly code: number;
}

/** The exit code of a process that Ctrl-C ended. */
export const INTERRUPTED = 130;
/** The exit code of a process that SIGTERM ended. */
export const TERMINATED = 143;
/** The exit code of a process whose reader has gone away. */
const BROKEN_PIPE = 141;

/** All of a message on one line. */
function oneLine(message: string): string {
  return message.replaceAll(/\s*[\r\n]+\s*/g, " ").trim();
}

/** The system's message and whatever path it names. */
function systemFailure(expected: string, error: Error, cure: string): Failure {
  return { line: oneLine(new OutriderError(expected, error.message, cure).message), code: 1 };
}

/**
 * The line and exit code for anything that was thrown.
 *
 * @example
 * ```ts
 * import { failureOf } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(failureOf(new DOMException("stop", "AbortError")), { line: "interrupted", code: 130 });
 * ```
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof OutriderError) return { line: oneLine(error.message), code: 1 };
  if (!(error instanceof Error)) return { line: oneLine(`unexpected: ${String(error)}`), code: 1 };
  if (error instanceof Deno.errors.BrokenPipe) return { line: "", code: BROKEN_PIPE };
  if (error.name === "AbortError" || error instanceof Deno.errors.Interrupted) {
    return { line: "interrupted", code: INTERRUPTED };
  }
  if (error instanceof Deno.errors.NotFound) {
    return systemFailure("a file that exists", error, "check the path");
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return systemFailure("permission", error, "allow it or choose another path");
  }
  if (error instanceof Deno.errors.IsADirectory || error instanceof Deno.errors.NotADirectory) {
    return systemFailure("a path of the right kind", error, "check the path");
  }
  return { line: oneLine(`unexpected ${error.name}: ${error.message}`), code: 1 };
}
