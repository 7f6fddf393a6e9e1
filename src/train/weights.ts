/**
 * Trained weights by name, as writers of model files ask for them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { isHostTensor } from "../core/host_tensor.ts";
import { leavesWithPaths } from "../core/tree.ts";

/**
 * Gives the f32 values of a parameter by its name, such as `layers.0.query`.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { weightReader } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const read = weightReader(initLlama(keyOf(1), tinyLlama({ width: 8, vocabulary: 16 })));
 * assertEquals(read("layers.0.query").length, 8 * 8);
 * ```
 */
export function weightReader(parameters: unknown): (name: string) => Float32Array {
  const leaves = new Map(
    leavesWithPaths(parameters, isHostTensor).map(({ path, leaf }) => [path, leaf.data]),
  );
  return (name) => {
    const values = leaves.get(name);
    if (values instanceof Float32Array) return values;
    throw new OutriderError(`f32 values of ${name}`, "none", "pass a model's plain parameters");
  };
}
