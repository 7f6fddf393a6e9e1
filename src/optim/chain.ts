/**
 * Transformations one after another.
 *
 * @module
 */
import type { Gradients } from "../core/grad.ts";
import type { GradientTransformation, Transformed } from "./transformation.ts";

/** One transformation for each state of a tuple. */
export type Links<States extends readonly unknown[]> = {
  readonly [K in keyof States]: GradientTransformation<States[K]>;
};

/**
 * The transformation that passes gradients through all the given ones in turn. Its state is the
 * tuple of their states.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { chain, clipByGlobalNorm, scale, scaleByAdam } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = chain(clipByGlobalNorm(1), scaleByAdam(), scale(-0.001));
 * const [, adam] = optimizer.init({ weight: input([4, 2]) });
 * assertEquals(adam.first.weight.shape, [4, 2]);
 * ```
 */
export function chain<States extends readonly unknown[]>(
  ...links: Links<States>
): GradientTransformation<States>;
// A loop over a tuple cannot show the checker that link i meets state i; the overload states it.
export function chain(
  ...links: readonly GradientTransformation<unknown>[]
): GradientTransformation<readonly unknown[]> {
  return {
    init: (parameters) => links.map((link) => link.init(parameters)),
    update: <Parameters>(
      gradients: Gradients<Parameters>,
      states: readonly unknown[],
      parameters: Parameters,
    ): Transformed<Gradients<Parameters>, readonly unknown[]> => {
      const next: unknown[] = [];
      const updates = links.reduce((passed, link, i) => {
        const made = link.update(passed, states[i], parameters);
        next.push(made.state);
        return made.updates;
      }, gradients);
      return { updates, state: next };
    },
  };
}
