/**
 * Turns of the event loop: work that awaits only promises keeps signals and timers waiting.
 *
 * @module
 */

/**
 * Lets events that wait have their turn, such as Ctrl-C. It takes less than a tenth of a
 * millisecond, where a timer would take one or two.
 *
 * @example
 * ```ts
 * import { nextTurn } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * let rang = false;
 * setTimeout(() => rang = true, 0);
 * while (!rang) await nextTurn();
 * assertEquals(rang, true);
 * ```
 */
export function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/**
 * {@link nextTurn} where the last one is long enough ago, and else nothing: for steps that may take
 * less time than a turn.
 *
 * @param milliseconds the shortest time between turns
 * @example
 * ```ts
 * import { turnsEvery } from "@outrider/outrider/runtime";
 *
 * const turn = turnsEvery(20);
 * for (let i = 0; i < 1000; i++) await turn();
 * ```
 */
export function turnsEvery(milliseconds: number): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < milliseconds) return;
    await nextTurn();
    last = performance.now();
  };
}
