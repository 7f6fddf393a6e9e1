/** The cost curve from a clock that a test turns by hand. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { functionModel, type LanguageModel, measureCosts } from "../../src/decode/mod.ts";
import { counted } from "./mock_models.ts";
import { openTiny } from "./tiny_llama.ts";

/** A clock and models whose passes turn it. */
function workshop() {
  let time = 0;
  const timed = (seconds: (rows: number, pass: number) => number, contextLength = 64) => {
    const model = counted(
      functionModel({ vocabulary: 3, contextLength, logits: () => [0, 1, 2] }),
    );
    let pass = 0;
    const slow: LanguageModel<ReturnType<typeof model.open>> & { alive(): number } = {
      ...model,
      forward: (cache, tokens, wanted) => {
        time += seconds(tokens.length, pass++);
        return model.forward(cache, tokens, wanted);
      },
    };
    return slow;
  };
  return { now: () => time, timed };
}

Deno.test("costs are times of passes over that of one row, linear between and beyond", async () => {
  const { now, timed } = workshop();
  const target = timed((rows) => rows <= 4 ? 2 + 0.5 * (rows - 1) : 3.5 + (rows - 4));
  const draft = timed((rows) => 0.25 + 0.02 * (rows - 1));
  const costs = await measureCosts(target, draft, now);
  assertEquals(costs.passSeconds, 2);
  assertAlmostEquals(costs.draftCost, 0.125, 1e-12);
  assertAlmostEquals(costs.catchUpCost, 0.01, 1e-12);
  assertEquals(costs.points, [[1, 1], [2, 1.25], [4, 1.75], [8, 3.75]]);
  assertEquals(costs.lengths, [1, 3, 7]);
  for (const [rows, cost] of [[1, 1], [3, 1.5], [6, 2.75], [8, 3.75], [10, 4.75]]) {
    assertAlmostEquals(costs.rowsCost(rows), cost, 1e-12);
  }
  assertEquals([target.alive(), draft.alive()], [0, 0]);
});

Deno.test("the first pass of a row count, which compiles, and slow moments do not count", async () => {
  const { now, timed } = workshop();
  const target = timed((_rows, pass) =>
    pass % 8 === 1 || pass % 8 === 2 ? 50 : pass % 8 === 4 ? 9 : 1
  );
  const costs = await measureCosts(target, undefined, now);
  assertEquals(costs.points, [[1, 1], [2, 1], [4, 1], [8, 1]]);
  assertEquals([costs.draftCost, costs.catchUpCost], [0, 0], "no draft model costs nothing");
});

Deno.test("a model with a short context is measured as far as it goes", async () => {
  const { now, timed } = workshop();
  for (const contextLength of [2, 3, 5, 9]) {
    const target = timed((rows) => rows, contextLength);
    const { points } = await measureCosts(target, undefined, now);
    assert(points.every(([rows, cost]) => rows < contextLength && cost === rows));
    assertEquals(target.alive(), 0);
  }
});

Deno.test("a model that fails while it is measured is closed", async () => {
  const { now, timed } = workshop();
  for (const last of [0, 3]) {
    const target = timed((_rows, pass) => {
      if (pass === last) throw new Error("no more");
      return 1;
    });
    await assertRejects(() => measureCosts(target, undefined, now), Error, "no more");
    assertEquals(target.alive(), 0);
  }
});

Deno.test("a transformer is measured and leaves nothing on its device", async () => {
  const { device, model, parameterSlots } = openTiny();
  const costs = await measureCosts(model, model);
  assert(costs.passSeconds > 0 && costs.passSeconds < 1);
  assert(costs.draftCost > 0);
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});
