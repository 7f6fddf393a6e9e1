/** What trees promise whatever drafts them: the target's own text, no memory kept, no second compile. */
import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressive,
  generate,
  type Generation,
  limit,
  temperature,
  treeSpeculative,
  type TreeSpeculativeOptions,
} from "../../../src/decode/mod.ts";
import type { Device } from "../../../src/runtime/mod.ts";
import { tokensOf } from "../tiny_llama.ts";

/** What decodes, and what it runs on. */
export interface TreeSides<Cache, State>
  extends Omit<TreeSpeculativeOptions<Cache, State>, "warp"> {
  readonly device: Device;
}

/** What was written with trees of a budget, for more to be said of it. */
export interface TreeText extends Generation {
  readonly budget: number;
  readonly prompt: readonly number[];
  readonly seed: number;
}

/** Texts with trees of several sizes are those of plain decoding, and nothing is left over. */
export async function checkPlainTexts<Cache, State>(
  { device, ...sides }: TreeSides<Cache, State>,
  heat: number,
  checkMore: (text: TreeText) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const warp = temperature(heat);
  const before = device.counters().liveSlots;
  let accepted = 0;
  for (const seed of [1, 2, 3]) {
    const prompt = tokensOf(seed, 5 + seed);
    const key = keyOf(seed);
    const plain = autoregressive({ target: sides.target, warp });
    const expected = await generate(limit(plain, 40), prompt, { key });
    for (const budget of [1, 6, 40]) {
      const decoder = treeSpeculative({ ...sides, warp, budget });
      const text = await generate(limit(decoder, 40), prompt, { key });
      assertEquals(text.tokens, expected.tokens, `seed ${seed}, budget ${budget}`);
      accepted += text.reports.reduce((sum, report) => sum + report.accepted, 0);
      await checkMore({ ...text, budget, prompt, seed });
    }
    assertEquals(device.counters().liveSlots, before);
  }
  // Forty nodes of the forty tokens: some stand even where the drafter knows nothing.
  assert(accepted > 20, `only ${accepted} drafted tokens were ever accepted`);
}

/** After the first texts nothing is compiled any more. */
export async function checkCompiles<Cache, State>(
  { device, ...sides }: TreeSides<Cache, State>,
): Promise<void> {
  const decoder = treeSpeculative({ ...sides, warp: temperature(0), budget: 12 });
  const write = (seed: number) =>
    generate(limit(decoder, 20), tokensOf(seed, 20), { key: keyOf(seed) });
  // Every count of rows of a path that has to be moved, and every size of what the drafter reads.
  for (const seed of [1, 2, 3]) await write(seed);
  const { compiles } = device.counters();
  for (const seed of [4, 5, 6, 7]) await write(seed);
  assertEquals(device.counters().compiles, compiles);
}
