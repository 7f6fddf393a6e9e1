/** The cost curve from a clock that a test turns by hand. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type Draft,
  functionModel,
  type LanguageModel,
  measureBlockCosts,
  measureCosts,
  oneHot,
  type Verify,
  type Warp,
} from "../../src/decode/mod.ts";
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

/** A drafter whose pass takes a second, each token of it half one, and each one to catch up with one. */
function blocksOf(block: number) {
  const blocks = { seconds: 0, most: 0 };
  const takes: Draft<number> = {
    init: (prompt) => Promise.resolve(prompt.length - 1),
    propose: (read, { gamma, context, vocabulary }) => {
      const length = Math.min(gamma, block);
      blocks.most = Math.max(blocks.most, gamma);
      blocks.seconds += 1 + length / 2 + context.length - 1 - read;
      const tokens = new Array<number>(length).fill(0);
      const probs = tokens.map((token) => oneHot(vocabulary, token));
      return Promise.resolve({ state: context.length - 1, tokens, probs });
    },
    commit: (read, length) => Math.min(read, length),
    close: () => {},
  };
  return { blocks, takes };
}

Deno.test("costs are times of passes over that of one row, linear between and beyond", async () => {
  const { now, timed } = workshop();
  const target = timed((rows) => rows <= 4 ? 2 + 0.5 * (rows - 1) : 3.5 + (rows - 4));
  const draft = timed((rows) => 0.25 + 0.02 * (rows - 1));
  const costs = await measureCosts(target, draft, { now });
  assertEquals(costs.passSeconds, 2);
  assertAlmostEquals(costs.draftCost, 0.125, 1e-12);
  assertEquals(costs.blockCost, 0);
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
  // Of each length: the prompt, and four pairs of steps without and with a draft.
  const seconds = [1, 50, 50, 1, 1, 9, 1, 1, 9];
  const target = timed((_rows, pass) => seconds[pass % seconds.length]);
  const costs = await measureCosts(target, undefined, { now });
  assertEquals(costs.points, [[1, 1], [2, 1], [4, 1], [8, 1], [16, 1]]);
  const { draftCost, blockCost, catchUpCost } = costs;
  assertEquals([draftCost, blockCost, catchUpCost], [0, 0, 0], "no draft model costs nothing");
});

Deno.test("a model with a short context is measured as far as it goes", async () => {
  const { now, timed } = workshop();
  for (const contextLength of [1, 2, 3, 5, 9, 20]) {
    const target = timed((rows) => rows, contextLength);
    const draft = timed(() => 0, 9);
    for (const ahead of [undefined, draft]) {
      const { points, lengths, passSeconds } = await measureCosts(target, ahead, { now });
      const most = Math.min(contextLength, ahead?.contextLength ?? Infinity);
      const rows = [1, 2, 4, 8, 16].filter((rows) => rows <= most);
      assertEquals(points, rows.map((count) => [count, count]));
      assertEquals([lengths, passSeconds], [rows.slice(1).map((count) => count - 1), 1]);
    }
    assertEquals([target.alive(), draft.alive()], [0, 0]);
  }
});

Deno.test("lengths beyond one that cannot pay are not measured", async () => {
  const { now, timed } = workshop();
  const target = timed((rows) => rows <= 2 ? 1 : rows);
  const { lengths, rowsCost } = await measureCosts(target, undefined, { now });
  assertEquals(lengths, [1, 3]);
  assertEquals(rowsCost(16), 22, "on along the last two points");
});

Deno.test("what warps and verification take is the host's cost", async () => {
  let time = 0;
  const model = functionModel({ vocabulary: 3, contextLength: 64, logits: () => [0, 1, 2] });
  const forward: typeof model.forward = (...rows) => {
    time += 8;
    return model.forward(...rows);
  };
  const warp: Warp = (logits) => {
    time += 1;
    return logits;
  };
  const verify: Verify = ({ tokens, target }) => {
    time += 2 * tokens.length;
    return { accepted: 0, next: target[0].indexOf(Math.max(...target[0])) };
  };
  const options = { now: () => time, warp, verify };
  const costs = await measureCosts({ ...model, forward }, undefined, options);
  assertEquals(costs.points.map(([, cost]) => cost), [1, 1, 1, 1, 1]);
  assertEquals([0, 1, 3, 15].map(costs.hostCost), [1 / 8, 3 / 8, 7 / 8, 31 / 8]);
});

Deno.test("a drafter of blocks costs a pass, and what each token adds, at every length that it has", async () => {
  for (
    const [block, lengths] of [[1, [1]], [3, [1, 3]], [5, [1, 3, 5]], [16, [
      1,
      3,
      7,
      15,
      16,
    ]]] as const
  ) {
    const { now, timed } = workshop();
    const target = timed(() => 8);
    const { blocks, takes } = blocksOf(block);
    const costs = await measureBlockCosts(target, takes, {
      block,
      now: () => now() + blocks.seconds,
    });
    // Nothing tells a pass from its only token.
    const perToken = block === 1 ? 0 : 1 / 16;
    assertEquals(costs.lengths, lengths);
    assertAlmostEquals(costs.draftCost, perToken, 1e-12);
    assertAlmostEquals(costs.blockCost, 3 / 16 - perToken, 1e-12);
    assertAlmostEquals(costs.catchUpCost, 1 / 8, 1e-12);
    assertEquals([0, 1, 3].map(costs.hostCost), [0, 0, 0]);
    assertEquals([target.alive(), blocks.most], [0, lengths.at(-1)]);
  }
});

Deno.test("a model that fails while it is measured is closed", async () => {
  const { now, timed } = workshop();
  for (const last of [0, 3]) {
    const target = timed((_rows, pass) => {
      if (pass === last) throw new Error("no more");
      return 1;
    });
    await assertRejects(() => measureCosts(target, undefined, { now }), Error, "no more");
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
