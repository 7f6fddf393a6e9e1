/**
 * Text from files in error messages.
 *
 * @module
 */

const LONGEST = 60;

/** A text in quotes, shortened and with what cannot be printed escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
}

/** A list of numbers in brackets, shortened. */
export function listText(numbers: readonly (number | bigint)[]): string {
  const shown = numbers.slice(0, 8).join(", ");
  return numbers.length > 8 ? `[${shown}, …]` : `[${shown}]`;
}
