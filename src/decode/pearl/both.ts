/**
 * Two pieces of work at the same time.
 *
 * @module
 */

/**
 * Starts both, waits for both, and only then fails if one has: what still runs has its handles, which
 * nobody may release under it. The first one's error is the one that is thrown if both fail.
 */
export async function both<First, Second>(
  first: () => Promise<First>,
  second: () => Promise<Second>,
): Promise<readonly [First, Second]> {
  const started = [first(), second()] as const;
  const [one, other] = await Promise.allSettled(started);
  if (one.status === "rejected") throw one.reason;
  if (other.status === "rejected") throw other.reason;
  return [one.value, other.value];
}
