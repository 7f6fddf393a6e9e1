/** A model that remembers its last text gives the same text with trees, and reads what is new alone. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  draftBranches,
  functionModel,
  generate,
  limit,
  rememberTreePrefix,
  temperature,
  treeSpeculative,
} from "../../../src/decode/mod.ts";
import { hashLogits, nearModel } from "../mock_models.ts";
import { countedTree } from "./counted_tree.ts";

Deno.test("turns of a chat give the text of a cold start, and read only what is new", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const logits = hashLogits(seed, 5);
    const read: number[] = [];
    const plain = countedTree(functionModel({ vocabulary: 5, contextLength: 80, logits }));
    const model = rememberTreePrefix({
      ...plain,
      forward: (cache, tokens, wanted) => {
        read.push(tokens.length);
        return plain.forward(cache, tokens, wanted);
      },
    });
    const draft = draftBranches(nearModel(seed + 9, logits, 5, 80), { depth: 3 });
    const warp = temperature(0);
    const options = { draft, warp, budget: 6 };
    let [text, mostNew] = [[1, 2, 3], 3];
    for (let turn = 0; turn < 4; turn++) {
      const write = <State>(decoder: Parameters<typeof limit<State>>[0]) =>
        generate(limit(decoder, 9), text, { key: keyOf(seed) });
      read.length = 0;
      const warm = await write(treeSpeculative({ ...options, target: model }));
      assert(read.every((rows) => rows <= mostNew), `${read} rows in turn ${turn}`);
      const cold = await write(treeSpeculative({ ...options, target: plain }));
      assertEquals(warm.tokens, cold.tokens);
      text = [...text, ...warm.tokens, 4, turn];
      // The last token, which no pass has read, and the two that were added.
      mostNew = 3;
    }
    model.forget();
    assertEquals(plain.alive(), 0);
  }
});

Deno.test("a remembering model's tree and its caches are used once", async () => {
  const inner = countedTree(
    functionModel({ vocabulary: 5, contextLength: 9, logits: hashLogits(1, 5) }),
  );
  const model = rememberTreePrefix(inner);
  const first = model.open();
  const rows = [{ token: 1, parent: -1 }];
  const { cache } = await model.forwardTree(first, rows, [0]);
  await assertRejects(() => model.forwardTree(first, rows, [0]), Error, "taken by forwardTree");
  const kept = model.keepPath(cache, [0]);
  assertThrows(() => model.keepPath(cache, [0]), Error, "taken by keepPath");
  assertThrows(() => model.keepPath(kept, [0]), Error, "no tree");
  await assertRejects(() => model.forwardTree(kept, [{ token: 7, parent: -1 }], [0]), Error, "7");
  assertEquals(inner.alive(), 0, "what a failed pass held is released");
});
