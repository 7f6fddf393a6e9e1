/**
 * What went wrong, as one line that a person can read.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

/** The line for anything that was thrown. */
export function failureLine(error: unknown): string {
  if (error instanceof OutriderError) return oneLine(error.message);
  if (error instanceof Error) return oneLine(`unexpected ${error.name}: ${error.message}`);
  return oneLine(`unexpected: ${String(error)}`);
}
