/** Temporaries that share memory are never in use together, and what can be shared is. */
import { assert, assertEquals } from "@std/assert";
import {
  exp,
  foldIn,
  input,
  isTensor,
  keyOf,
  leavesOf,
  matmul,
  mul,
  type Tensor,
  valueAndGrad,
} from "../../src/core/mod.ts";
import { crossEntropy } from "../../src/losses/mod.ts";
import { buildLlama, llama, llamaLogits } from "../../src/nn/mod.ts";
import { makePlan, type Plan } from "../../src/plan/mod.ts";
import { smallConfig } from "../nn/small_models.ts";
import { INPUTS, randomGraph } from "../property/random_graph.ts";

/** Reads of a slot in which another buffer has been written since, or is being written. */
function overwritten({ buffers, commands }: Plan): string[] {
  const owner = new Map<number, number>();
  const slotOf = (buffer: number): number | undefined => {
    const home = buffers[buffer];
    return home.home === "slot" ? home.index : undefined;
  };
  // Nobody writes an empty array.
  const empty = new Set(buffers.keys());
  for (const { args } of commands) empty.delete(args[args.length - 1]);
  return commands.flatMap(({ spec, args }, i) => {
    const written = args[args.length - 1];
    const target = slotOf(written);
    const wrong = args.slice(0, -1).flatMap((buffer) => {
      const slot = slotOf(buffer);
      if (slot === undefined || empty.has(buffer)) return [];
      // Only what is elementwise writes over what it reads (scatters name their table once).
      const isKept = owner.get(slot) === buffer && (slot !== target || spec.family === "map");
      return isKept ? [] : [`command ${i}, ${spec.family}, loses buffer ${buffer}`];
    });
    if (target !== undefined) owner.set(target, written);
    return wrong;
  });
}

Deno.test("in 300 random graphs nothing is overwritten before it was read", () => {
  for (let seed = 0; seed < 300; seed++) {
    const inputs = INPUTS.map(({ shape, type }) => input(shape, type));
    const outputs = randomGraph(foldIn(keyOf(31), seed), inputs);
    assertEquals(overwritten(makePlan({ inputs, outputs })), [], `seed ${seed}`);
  }
});

Deno.test("in a training step nothing is overwritten before it was read", () => {
  const config = smallConfig({ layers: 3 });
  const parameters = buildLlama(config, ({ shape }) => input(shape));
  const [tokens, targets, positions, start, end] = [1, 2, 3, 4, 5].map(() => input([9], "i32"));
  const mask = input([9]);
  const { value, gradients } = valueAndGrad((p: typeof parameters) => {
    const { hidden } = llama(config, p, { tokens, positions, start, end });
    return crossEntropy(llamaLogits(p, hidden), targets, mask);
  })(parameters);
  const inputs = [...leavesOf(parameters, isTensor), tokens, targets, positions, start, end, mask];
  const plan = makePlan({ inputs, outputs: [value, ...leavesOf(gradients, isTensor)] });
  assert(plan.slots.length > 10);
  assertEquals(overwritten(plan), []);
});

Deno.test("a chain of products needs two slots, and what is elementwise none of its own", () => {
  const x = input([8, 8]);
  const slotsOf = (step: (t: Tensor) => Tensor) => {
    const outputs = [[1, 2, 3, 4, 5, 6].reduce((t) => matmul(step(t), x), x)];
    return makePlan({ inputs: [x], outputs }).slots;
  };
  assertEquals(slotsOf((t) => t), [256, 256]);
  assertEquals(slotsOf((t) => exp(mul(t, 2))), [256, 256]);
});

Deno.test("a small temporary lies in a large slot that is free, not the other way round", () => {
  const [x, wide] = [input([4, 4]), input([4, 64])];
  const outputs = [matmul(matmul(matmul(matmul(x, x), wide), input([64, 4])), x)];
  const inputs = [x, wide, outputs[0].inputs[0].inputs[1]];
  assertEquals(makePlan({ inputs, outputs }).slots, [4 * 64 * 4, 4 * 4 * 4]);
});
