/**
 * Models on a device that remember their last text, so that a longer version of it starts warm.
 *
 * @module
 */
import { releaseTree } from "../../runtime/device.ts";
import type { LlamaModelOptions } from "../llama_model.ts";
import { sharedLength } from "../remember_prefix.ts";
import type { ReadSequence, SequenceMemory } from "./model.ts";

/** What remembering adds to a model. */
export interface RememberingOnDevice {
  /** Where the last text stays. */
  readonly memory: SequenceMemory;
  /** Releases the kept text; the next one starts cold. */
  forget(): void;
}

/**
 * Lets decoders on a device keep the keys and values of the text that was closed last. A new text
 * that begins like it goes on from where they part, to the same bits: a row depends on what it sees
 * alone, and rollback is a smaller length. A chat's next turn so reads only what is new.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { autoregressiveOnDevice, generate, limit, rememberPrefixOnDevice } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const cold = { device, config, parameters: uploadTree(device, initLlama(keyOf(1), config)) };
 * const warm = rememberPrefixOnDevice(cold);
 * const [sampling, key] = [{ temperature: 1 }, keyOf(2)];
 * const [first, second] = [cold, warm].map((target) =>
 *   limit(autoregressiveOnDevice({ target, sampling }), 4)
 * );
 * await generate(second, [3, 1, 4], { key });
 * const { tokens } = await generate(second, [3, 1, 4, 1, 5], { key });
 * assertEquals(tokens, (await generate(first, [3, 1, 4, 1, 5], { key })).tokens);
 * warm.forget();
 * ```
 */
export function rememberPrefixOnDevice<Model extends LlamaModelOptions>(
  model: Model,
): Model & RememberingOnDevice {
  let kept: ReadSequence | undefined;
  const taken = (): ReadSequence | undefined => {
    const read = kept;
    kept = undefined;
    return read;
  };
  const forget = (): void => releaseTree(taken()?.sequence);
  const memory: SequenceMemory = {
    recall: (text) => {
      const read = taken();
      if (read === undefined) return undefined;
      const { sequence, tokens } = read;
      return { sequence, tokens: tokens.slice(0, sharedLength(tokens, text)) };
    },
    keep: (read) => {
      forget();
      kept = read;
    },
  };
  return { ...model, memory, forget };
}
