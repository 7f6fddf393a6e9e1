/** The decoders themselves, with coins integrated exactly: what they emit over two steps. */
import { assert, assertAlmostEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  chainWarps,
  type Coins,
  draftModel,
  functionModel,
  generate,
  limit,
  logitsOf,
  probsOf,
  softmax,
  speculative,
  type TokenId,
  type Verify,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";
import { jointProbability, sequences } from "./enumeration.ts";
import { hashLogits } from "./mock_models.ts";

/** Sixteenths: the draft is uniform, so every threshold below lies on a known grid. */
const targetSixteenths = (prefix: readonly TokenId[]): number[] => {
  const favourite = prefix.reduce((sum, token, i) => sum + (i + 1) * (token + 1), 0) % 4;
  return [0, 1, 2, 3].map((token) => token === favourite ? 10 : 2);
};

interface Region {
  readonly coin: number;
  readonly weight: number;
}

/** The middles of the intervals between borders. */
function regions(borders: readonly number[]): Region[] {
  const ends = [0, ...borders, 1];
  return ends.slice(1).map((end, i) => ({ coin: (ends[i] + end) / 2, weight: end - ends[i] }));
}

const draftRegions = regions([1 / 4, 1 / 2, 3 / 4]);
/** Token verification accepts with 1/2 or 1; block verification with 1/9, 1/4, 1/2 or 1. */
const acceptRegions = regions([1 / 9, 1 / 4, 1 / 2]);
const sampleRegions = regions([2, 4, 6, 8, 10, 12, 14].map((sixteenths) => sixteenths / 16));

function coinsOfRegions(draft: number[], accept: number[], sample: number): Coins {
  return {
    draft: (start, position) => draft[position - start],
    accept: (start, position) => accept[position - start],
    sample: () => sample,
  };
}

/** The law of what one step emits after a text, through the real decoder. */
async function stepLaw(
  verify: Verify,
  text: readonly TokenId[],
  gamma: number,
): Promise<Map<string, number>> {
  const logits = (prefix: readonly TokenId[]) => targetSixteenths(prefix).map(Math.log);
  const target = functionModel({ vocabulary: 4, contextLength: 32, logits });
  const uniform = functionModel({ vocabulary: 4, contextLength: 32, logits: () => [0, 0, 0, 0] });
  const warp = chainWarps();
  const decoder = speculative({ target, draft: draftModel(uniform), verify, warp, gamma });
  const mass = new Map<string, number>();
  for (const drafts of product(draftRegions, gamma)) {
    for (const accepts of product(acceptRegions, gamma)) {
      for (const last of sampleRegions) {
        const state = await decoder.init(text, keyOf(0));
        const coins = coinsOfRegions(coinsIn(drafts), coinsIn(accepts), last.coin);
        const step = await decoder.step({ ...state, coins });
        decoder.close(step.state);
        const name = step.tokens.join(" ");
        const weight = weightOf(drafts) * weightOf(accepts) * last.weight;
        mass.set(name, (mass.get(name) ?? 0) + weight);
      }
    }
  }
  return mass;
}

const coinsIn = (chosen: readonly Region[]): number[] => chosen.map(({ coin }) => coin);
const weightOf = (chosen: readonly Region[]): number =>
  chosen.reduce((all, { weight }) => all * weight, 1);

function product(choices: readonly Region[], count: number): Region[][] {
  return sequences(choices.length, count).map((indices) => indices.map((index) => choices[index]));
}

for (const [name, verify] of Object.entries({ verifyToken, verifyBlock })) {
  for (const gamma of [1, 2]) {
    Deno.test(`a speculative step with ${name} and gamma ${gamma} follows the target's law`, async () => {
      const text = [2, 1];
      const mass = await stepLaw(verify, text, gamma);
      const target = (prefix: readonly TokenId[]) =>
        probsOf(targetSixteenths(prefix).map((sixteenths) => sixteenths / 16));
      for (const tokens of sequences(4, gamma + 1)) {
        let emitted = 0;
        for (let length = 1; length <= tokens.length; length++) {
          const prefix = tokens.slice(0, length);
          emitted += (mass.get(prefix.join(" ")) ?? 0) *
            jointProbability(target, [...text, ...prefix], tokens.slice(length));
        }
        assertAlmostEquals(emitted, jointProbability(target, text, tokens), 1e-12);
      }
    });
  }
}

/**
 * The laws above take coins as given; this holds the coins of real keys to them, over several steps:
 * coins that one step has looked at must not return in a later one.
 */
for (const [name, verify] of Object.entries({ verifyToken, verifyBlock })) {
  Deno.test(`texts of many keys with ${name} have the target's frequencies`, async () => {
    const [vocabulary, length, texts, prompt] = [3, 4, 20_000, [0]];
    const options = { vocabulary, contextLength: 16 };
    const logits = hashLogits(1, vocabulary);
    const target = functionModel({ ...options, logits });
    const draft = draftModel(functionModel({ ...options, logits: hashLogits(2, vocabulary) }));
    const warp = chainWarps();
    const decoder = limit(speculative({ target, draft, verify, warp, gamma: 3 }), length);
    const counts = new Map<string, number>();
    for (let seed = 0; seed < texts; seed++) {
      const { tokens } = await generate(decoder, prompt, { key: keyOf(seed) });
      counts.set(tokens.join(" "), (counts.get(tokens.join(" ")) ?? 0) + 1);
    }
    const distribution = (text: readonly TokenId[]) => softmax(logitsOf(logits(text)));
    const chiSquare = sequences(vocabulary, length).reduce((sum, tokens) => {
      const expected = texts * jointProbability(distribution, prompt, tokens);
      return sum + ((counts.get(tokens.join(" ")) ?? 0) - expected) ** 2 / expected;
    }, 0);
    const degrees = vocabulary ** length - 1;
    assert(chiSquare < degrees + 5 * Math.sqrt(2 * degrees), `chi-square ${chiSquare}`);
  });
}
