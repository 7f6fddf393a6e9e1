/**
 * Whether two texts are the same.
 *
 * @module
 */
import type { Agreement } from "./protocol.ts";

/**
 * Compares two texts in tokens. Where not both have come to their end, they are equal as far as they
 * go if one is the beginning of the other.
 */
export function agreementOf(
  left: readonly number[],
  right: readonly number[],
  whole: boolean,
): Agreement {
  const most = Math.min(left.length, right.length);
  let same = 0;
  while (same < most && left[same] === right[same]) same++;
  return { same, equal: same === most && (!whole || left.length === right.length) };
}
