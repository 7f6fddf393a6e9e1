/**
 * Work on a model's cache that leaves nothing behind where it fails.
 *
 * @module
 */
import type { LanguageModel } from "./language_model.ts";

/** Runs `work` and, if it fails, closes the last cache that it held. */
export async function releasing<Cache, T>(
  model: LanguageModel<Cache>,
  first: Cache,
  work: (hold: (cache: Cache) => void) => Promise<T>,
): Promise<T> {
  let held = first;
  try {
    return await work((cache) => held = cache);
  } catch (error) {
    model.close(held);
    throw error;
  }
}
