/** Speculation emits the target's processed distribution: exactly, by enumeration. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  chainWarps,
  logitsOf,
  minP,
  oneHot,
  probabilities,
  probsOf,
  repetitionPenalty,
  temperature,
  topK,
  topP,
  type Warp,
} from "../../src/decode/mod.ts";
import { hashLogits } from "./mock_models.ts";
import {
  assertExact,
  blockLaw,
  type Distribution,
  emission,
  roundOf,
  sequences,
  tokenLaw,
} from "./enumeration.ts";

const warps: Record<string, Warp> = {
  "no warp": chainWarps(),
  "temperature 0.7": temperature(0.7),
  "temperature 0": temperature(0),
  "top-k 2": topK(2),
  "top-p 0.8": topP(0.8),
  "min-p 0.3": minP(0.3),
  "repetition penalty 1.5": repetitionPenalty(1.5),
  "all of them": chainWarps(
    repetitionPenalty(1.3),
    temperature(0.8),
    topK(3),
    topP(0.9),
    minP(0.05),
  ),
  "penalty, then temperature 0": chainWarps(repetitionPenalty(1.8), temperature(0)),
};

const text = [0, 1];

/** A warped model as a distribution, remembered per text. */
function distributionOf(seed: number, vocabulary: number, warp: Warp): Distribution {
  const logits = hashLogits(seed, vocabulary);
  return remembered((prefix) => probabilities(warp, logitsOf(logits(prefix)), prefix));
}

function remembered(distribution: Distribution): Distribution {
  const known = new Map<string, ReturnType<Distribution>>();
  return (prefix) => {
    const name = prefix.join(" ");
    const probs = known.get(name) ?? distribution(prefix);
    known.set(name, probs);
    return probs;
  };
}

/** A draft whose vocabulary lacks the last token. */
function subsetOf(seed: number, vocabulary: number, warp: Warp): Distribution {
  const logits = hashLogits(seed, vocabulary);
  return remembered((prefix) => {
    const row = logits(prefix);
    row[vocabulary - 1] = -Infinity;
    return probabilities(warp, logitsOf(row), prefix);
  });
}

/** A draft that is certain of a token, as prompt lookup is. */
function certain(seed: number, vocabulary: number): Distribution {
  const logits = hashLogits(seed, vocabulary);
  return (prefix) => oneHot(vocabulary, Math.abs(Math.floor(logits(prefix)[0] * 7)) % vocabulary);
}

const cases = [2, 3, 4].flatMap((vocabulary) =>
  [1, 2, 3].flatMap((gamma) => [1, 2, 3, 4, 5, 6].map((seed) => ({ vocabulary, gamma, seed })))
);

for (const law of [tokenLaw, blockLaw]) {
  for (const [name, warp] of Object.entries(warps)) {
    Deno.test(`${law.name} emits the target's joint distribution with ${name}`, () => {
      for (const { vocabulary, gamma, seed } of cases) {
        const target = distributionOf(seed, vocabulary, warp);
        const drafts = [
          distributionOf(seed + 100, vocabulary, warp),
          subsetOf(seed + 200, vocabulary, warp),
          certain(seed + 300, vocabulary),
          distributionOf(seed + 400, vocabulary, temperature(1)),
        ];
        for (const draft of drafts) {
          assertExact(emission(law, draft, target, text, gamma), target, text, gamma);
        }
      }
    });
  }

  Deno.test(`${law.name} accepts a draft that equals the target with every coin`, () => {
    for (const warp of Object.values(warps)) {
      for (const { vocabulary, gamma, seed } of cases) {
        const target = distributionOf(seed, vocabulary, warp);
        const draft = distributionOf(seed, vocabulary, warp);
        for (const tokens of sequences(vocabulary, gamma)) {
          const round = roundOf(draft, target, text, tokens);
          if (tokens.some((token, i) => round.draft[i][token] === 0)) continue;
          for (const coin of [0, 0.5, 1 - 2 ** -53]) {
            const coins = {
              accept: tokens.map(() => coin),
              sample: Array(round.target.length).fill(coin),
            };
            assertEquals(law.verify(round, coins).accepted, gamma);
          }
        }
      }
    }
  });

  Deno.test(`${law.name} of one-hot distributions is a comparison of argmaxes`, () => {
    for (const drafted of sequences(3, 2)) {
      for (const wanted of sequences(3, 3)) {
        const round = {
          tokens: drafted,
          draft: drafted.map((token) => oneHot(3, token)),
          target: wanted.map((token) => oneHot(3, token)),
        };
        const agreeing = [...drafted, -1].findIndex((token, i) => token !== wanted[i]);
        for (const coin of [0, 0.5, 1 - 2 ** -53]) {
          const coins = { accept: [coin, coin], sample: [coin, coin, coin] };
          const verdict = law.verify(round, coins);
          assertEquals(verdict, { accepted: agreeing, next: wanted[agreeing] });
        }
      }
    }
  });
}

Deno.test("block verification stands on average at least as long as token verification", () => {
  let longer = 0;
  for (const warp of Object.values(warps)) {
    for (const { vocabulary, gamma, seed } of cases) {
      const target = distributionOf(seed, vocabulary, warp);
      const draft = distributionOf(seed + 100, vocabulary, warp);
      const [token, block] = [tokenLaw, blockLaw].map((law) =>
        emission(law, draft, target, text, gamma).meanAccepted
      );
      assert(block >= token - 1e-12, `${block} against ${token}`);
      if (block > token + 1e-6) longer++;
    }
  }
  assert(longer > 50, `only ${longer} of all cases were longer`);
});

Deno.test("token and block verification stand equally long on average at gamma 1", () => {
  const target = distributionOf(5, 4, chainWarps());
  const draft = distributionOf(6, 4, chainWarps());
  const overlap = target(text).reduce((sum, q, i) => sum + Math.min(q, draft(text)[i]), 0);
  for (const law of [tokenLaw, blockLaw]) {
    assertAlmostEquals(emission(law, draft, target, text, 1).meanAccepted, overlap, 1e-12);
  }
});

Deno.test("block verification reaches the paper's worked example of 11/9 accepted tokens", () => {
  const [draft, target] = [probsOf([2 / 3, 1 / 3]), probsOf([1 / 3, 2 / 3])];
  const [token, block] = [tokenLaw, blockLaw].map((law) =>
    emission(law, () => draft, () => target, [], 2).meanAccepted
  );
  assertAlmostEquals(token, 10 / 9, 1e-12);
  assertAlmostEquals(block, 11 / 9, 1e-12);
});
