/**
 * The one error that the library throws on purpose.
 *
 * Its message is a single line in three parts: what was expected, what was found, and what to do
 * about it. Commands print that line and exit with code 1.
 *
 * @module
 */

/**
 * A mistake that the caller can correct: a bad file, a shape that does not fit, a dead handle.
 *
 * @example
 * ```ts
 * import { OutriderError } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new OutriderError("a file of 24 bytes or more", "7 bytes", "download it again");
 * assertEquals(error.message, "expected a file of 24 bytes or more, found 7 bytes; download it again");
 * ```
 */
export class OutriderError extends Error {
  /** The class name, for readers of a log. */
  override readonly name = "OutriderError";
  /** What would have been right. */
  readonly expected: string;
  /** What was there instead. */
  readonly found: string;
  /** What the caller can do about it. */
  readonly cure: string;

  /** Builds the one-line message out of its three parts. */
  constructor(expected: string, found: string, cure: string) {
    super(`expected ${expected}, found ${found}; ${cure}`.replaceAll(/\s*\n\s*/g, " "));
    this.expected = expected;
    this.found = found;
    this.cure = cure;
  }
}
