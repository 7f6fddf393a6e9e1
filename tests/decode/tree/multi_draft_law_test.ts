/** Sampled trees emit the target's law: by enumeration of drafts and coins, and with real coins. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressive,
  chainWarps,
  draftOutcomes,
  draftSamples,
  drawDrafts,
  functionModel,
  generate,
  greedyDrafts,
  greedyOptimal,
  kSequential,
  limit,
  logitsOf,
  minP,
  type MultiDraftLaw,
  type MultiDraftRule,
  multiDraftSpeculative,
  type PlaceDrafts,
  probabilities,
  type Probs,
  recursiveRejection,
  repetitionPenalty,
  softmax,
  temperature,
  type TokenId,
  topK,
  topP,
  type TreeNode,
  type Warp,
  withoutReplacement,
  withReplacement,
} from "../../../src/decode/mod.ts";
import { trimmedVocabulary } from "../../../src/nn/mod.ts";
import { assertExact, type Distribution, jointProbability, sequences } from "../enumeration.ts";
import { hashLogits, trimmedModel } from "../mock_models.ts";
import { countedTree } from "./counted_tree.ts";
import { type DrawnTree, emitted } from "./emitted_law.ts";

const [VOCABULARY, LEVELS, COUNT] = [3, 2, 2];
const TEXT = [2, 0];

/** Every tree that can be drawn behind the text, and its probability. */
function drawnTrees<Law extends MultiDraftLaw>(
  draft: Distribution,
  makeLaw: (probs: Probs, count: number) => Law,
): DrawnTree<Law>[] {
  const made: DrawnTree<Law>[] = [];
  const visit = (
    tree: readonly (TreeNode & { readonly path: readonly TokenId[] })[],
    places: readonly PlaceDrafts<Law>[],
    probability: number,
  ): void => {
    const node = places.length - 1;
    const path = node < 0 ? [] : tree[node]?.path;
    if (path === undefined || path.length === LEVELS) {
      made.push({ proposal: { state: null, tree, places }, probability });
      return;
    }
    const law = makeLaw(draft([...TEXT, ...path]), COUNT);
    for (const { tokens, probability: drawn } of draftOutcomes(law)) {
      const children = [...new Set(tokens)].map((token) => ({
        token,
        parent: node,
        probability: 1,
        path: [...path, token],
      }));
      visit([...tree, ...children], [...places, { law, tokens }], probability * drawn);
    }
  };
  visit([], [], 1);
  return made;
}

const warps: Readonly<Record<string, Warp>> = {
  "no warp": chainWarps(),
  "temperature 0.7": temperature(0.7),
  "top-k 2": topK(2),
  "top-p 0.8": topP(0.8),
  "a penalty and min-p": chainWarps(repetitionPenalty(1.5), minP(0.2)),
};

/** Holds a rule with a law of drafts to the target's law, under every warp. */
function testRule<Law extends MultiDraftLaw>(
  name: string,
  rule: MultiDraftRule<Law>,
  makeLaw: (probs: Probs, count: number) => Law,
): void {
  Deno.test(`trees emit the target's law to 1e-12 under every warp: ${name}`, async () => {
    for (const [seed, warp] of Object.values(warps).entries()) {
      const targetLogits = hashLogits(seed + 1, VOCABULARY);
      const draftLogits = hashLogits(seed + 50, VOCABULARY);
      const of = (logits: typeof targetLogits): Distribution => (text) =>
        probabilities(warp, logitsOf(logits(text)), text);
      const judging = { rule, warp, vocabulary: VOCABULARY, text: TEXT };
      const mass = await emitted(judging, drawnTrees(of(draftLogits), makeLaw), targetLogits);
      assertExact({ mass, meanAccepted: 0 }, of(targetLogits), TEXT, LEVELS);
    }
  });
}

testRule("recursive rejection, without replacement", recursiveRejection, withoutReplacement);
testRule("recursive rejection, with replacement", recursiveRejection, withReplacement);
testRule("recursive rejection, greedy drafts", recursiveRejection, greedyDrafts);
testRule("K-SEQ", kSequential, withReplacement);
testRule("greedy optimal", greedyOptimal, greedyDrafts);

Deno.test("every draft of a tree is drawn from the model's law at its node, by a coin of its own", async () => {
  const makers: readonly ((probs: Probs, count: number) => MultiDraftLaw)[] = [
    withoutReplacement,
    withReplacement,
    greedyDrafts,
  ];
  for (const makeLaw of makers) {
    for (let seed = 0; seed < 20; seed++) {
      const logits = hashLogits(seed, 5);
      const model = functionModel({ vocabulary: 5, contextLength: 40, logits });
      const warp = temperature(0.8);
      const draft = draftSamples(model, { counts: [3, 2, 2], law: makeLaw });
      const asked: number[] = [];
      const coinAt = (position: number) => (position * 0.618034 + seed * 0.123) % 1;
      const request = {
        context: TEXT,
        nodes: Infinity,
        depth: 9,
        vocabulary: 5,
        warp,
        coin: (position: number) => {
          asked.push(position);
          return coinAt(position);
        },
      };
      const { state, tree, places } = await draft.propose(await draft.init(TEXT), request);
      draft.close(state);
      assertEquals(new Set(asked).size, asked.length, "no coin twice");
      const paths: number[][] = [];
      for (const { token, parent } of tree) paths.push([...(paths[parent] ?? []), token]);
      assertEquals(new Set(paths.map((path) => path.join(" "))).size, tree.length);
      let used = 0;
      for (const [i, path] of [[], ...paths].entries()) {
        const place = places[i];
        assertEquals(place === undefined, path.length === 3, "leaves have no drafts");
        if (place === undefined) continue;
        const text = [...TEXT, ...path];
        const law = makeLaw(probabilities(warp, logitsOf(logits(text)), text), path.length ? 2 : 3);
        const coins = asked.slice(used, used += law.count).map(coinAt);
        assertEquals(place.tokens, drawDrafts(law, coins));
        assertEquals(place.law.weights, law.weights);
        const children = tree.filter(({ parent }) => parent === i - 1).map(({ token }) => token);
        assertEquals(children, [...new Set(place.tokens)]);
      }
      assertEquals(used, asked.length);
    }
  }
});

Deno.test("texts of many keys with sampled trees have the target's frequencies", async () => {
  const [length, texts, prompt] = [3, 6_000, [0]];
  const options = { vocabulary: 3, contextLength: 16 };
  const logits = hashLogits(1, 3);
  const target = functionModel({ ...options, logits });
  const model = functionModel({ ...options, logits: hashLogits(2, 3) });
  const draft = draftSamples(model, { counts: [2, 2], law: withoutReplacement });
  const made = { target, draft, rule: recursiveRejection, warp: chainWarps() };
  const decoder = limit(multiDraftSpeculative(made), length);
  const counts = new Map<string, number>();
  for (let seed = 0; seed < texts; seed++) {
    const { tokens } = await generate(decoder, prompt, { key: keyOf(seed) });
    counts.set(tokens.join(" "), (counts.get(tokens.join(" ")) ?? 0) + 1);
  }
  const distribution = (text: readonly TokenId[]) => softmax(logitsOf(logits(text)));
  const chiSquare = sequences(3, length).reduce((sum, tokens) => {
    const expected = texts * jointProbability(distribution, prompt, tokens);
    return sum + ((counts.get(tokens.join(" ")) ?? 0) - expected) ** 2 / expected;
  }, 0);
  const degrees = 3 ** length - 1;
  assert(chiSquare < degrees + 5 * Math.sqrt(2 * degrees), `chi-square ${chiSquare}`);
});

Deno.test("greedy text with sampled trees is greedy text, a trimmed draft's among them", async () => {
  let accepted = 0;
  const warp = temperature(0);
  for (let seed = 0; seed < 30; seed++) {
    const logits = hashLogits(seed, 6);
    const target = countedTree(functionModel({ vocabulary: 6, contextLength: 24, logits }));
    const vocabulary = trimmedVocabulary([1, 2, 5], 6);
    const trimmed = countedTree(trimmedModel(logits, vocabulary));
    const plain = await generate(autoregressive({ target, warp }), [1, 2], { key: keyOf(1) });
    const law = withoutReplacement;
    const drafts = [
      draftSamples(trimmed, { counts: [2, 2], law, vocabulary }),
      draftSamples(trimmed, { counts: [1, 1, 1], law, vocabulary }),
    ];
    for (const draft of drafts) {
      const decoder = multiDraftSpeculative({ target, draft, rule: recursiveRejection, warp });
      const run = await generate(decoder, [1, 2], { key: keyOf(seed) });
      assertEquals([run.tokens, run.finish], [plain.tokens, plain.finish]);
      accepted += run.reports.reduce((sum, report) => sum + report.accepted, 0);
    }
    assertEquals([target.alive(), trimmed.alive()], [0, 0]);
  }
  assert(accepted > 100, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("a target that drafts for itself has a token of every level accepted", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const logits = hashLogits(seed, 5);
    const target = functionModel({ vocabulary: 5, contextLength: 40, logits });
    const draft = draftSamples(target, { counts: [2, 2, 1], law: withoutReplacement });
    const warp = chainWarps();
    const decoder = multiDraftSpeculative({ target, draft, rule: recursiveRejection, warp });
    const { reports } = await generate(decoder, [1, 2], { key: keyOf(seed) });
    for (const { accepted } of reports.slice(0, -2)) assertEquals(accepted, 3);
  }
});

Deno.test("levels without drafts are refused", () => {
  const model = functionModel({ vocabulary: 3, contextLength: 9, logits: () => [0, 0, 0] });
  for (const counts of [[], [0], [2, 1.5]]) {
    assertThrows(
      () => draftSamples(model, { counts, law: withReplacement }),
      Error,
      "one draft or more at each level",
    );
  }
});
