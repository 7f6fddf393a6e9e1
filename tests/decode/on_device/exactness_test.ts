/**
 * Speculation on a device emits the target's distribution: by enumeration of all drafts and all
 * regions of the coins, to the rounding of f32.
 */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import {
  chainWarps,
  logitsOf,
  minP,
  probabilities,
  temperature,
  type TokenId,
  topK,
  topP,
  type Warp,
} from "../../../src/decode/mod.ts";
import type { Sampling } from "../../../src/decode/on_device/sampling.ts";
import { type TrimmedVocabulary, trimmedVocabulary } from "../../../src/nn/mod.ts";
import { createDevice, type Device } from "../../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../../conformance/backends.ts";
import { type Distribution, jointProbability, patterns, sequences } from "../enumeration.ts";
import { hashLogits } from "../mock_models.ts";
import {
  type LawTeller,
  lawTeller,
  type LogitRound,
  RULES,
  type TestedRule,
} from "./round_laws.ts";

/**
 * A probability of f32 is off by its exponential, the sum and the quotient, and so are the ratios that
 * coins are held against: eight roundings of 2^-24 in all. (One is what is found where exponentials
 * are correctly rounded.)
 */
const TOLERANCE = 2 ** -21;

const SAMPLINGS: readonly { readonly sampling: Sampling; readonly warp: Warp }[] = [
  { sampling: { temperature: 1 }, warp: temperature(1) },
  { sampling: { temperature: 0.7 }, warp: temperature(0.7) },
  { sampling: { temperature: 1, topK: 2 }, warp: topK(2) },
  { sampling: { temperature: 1, topP: 0.8 }, warp: topP(0.8) },
  {
    sampling: { temperature: 0.8, topK: 3, topP: 0.9, minP: 0.05 },
    warp: chainWarps(temperature(0.8), topK(3), topP(0.9), minP(0.05)),
  },
];

const text = [0, 1];
type Rows = (prefix: readonly TokenId[]) => Float32Array;

/** A draft and a target in logits; the draft reads and draws classes. */
interface Pair {
  readonly target: Rows;
  readonly draft: Rows;
  readonly vocabulary: number;
  readonly trimmed?: TrimmedVocabulary;
}

function classesOf({ trimmed }: Pair, tokens: readonly TokenId[]): number[] {
  return trimmed ? tokens.map(trimmed.classOf) : [...tokens];
}

function roundOf(pair: Pair, drafted: readonly number[]): LogitRound {
  const tokens = drafted.map((one) => pair.trimmed ? pair.trimmed.tokenIds[one] : one);
  const after = (count: number) => [...text, ...tokens.slice(0, count)];
  return {
    drafted,
    draft: drafted.map((_, i) => pair.draft(classesOf(pair, after(i)))),
    target: [...drafted, 0].map((_, i) => pair.target(after(i))),
  };
}

/** The probability of every sequence that one round emits. */
async function emission(rule: TestedRule, teller: LawTeller, pair: Pair, gamma: number) {
  const mass = new Map<string, number>();
  const { trimmed, vocabulary } = pair;
  for (const drafted of sequences(trimmed?.other ?? vocabulary, gamma)) {
    const round = roundOf(pair, drafted);
    const { drawn, accepts, next } = await teller.laws(round);
    const chance = drawn.reduce((product, one) => product * one, 1);
    if (chance === 0) continue;
    const tokens = drafted.map((one) => trimmed ? trimmed.tokenIds[one] : one);
    for (const [accepted, share] of rule.standing(accepts).entries()) {
      next[accepted].forEach((probability, token) => {
        const emitted = [...tokens.slice(0, accepted), token].join(" ");
        mass.set(emitted, (mass.get(emitted) ?? 0) + chance * share * probability);
      });
    }
  }
  return mass;
}

/** How far what a round emits, continued by the target, is from the target's law of sequences. */
function distance(mass: Map<string, number>, target: Distribution, gamma: number): number {
  let most = 0;
  for (const tokens of sequences(target(text).length, gamma + 1)) {
    let emitted = 0;
    for (let length = 1; length <= tokens.length; length++) {
      const prefix = tokens.slice(0, length);
      emitted += (mass.get(prefix.join(" ")) ?? 0) *
        jointProbability(target, [...text, ...prefix], tokens.slice(length));
    }
    most = Math.max(most, Math.abs(emitted - jointProbability(target, text, tokens)));
  }
  return most;
}

function lawUnder(warp: Warp, rows: Rows): Distribution {
  return (prefix) => probabilities(warp, logitsOf(rows(prefix)), prefix);
}

function pairsOf(vocabulary: number, seed: number): Pair[] {
  const target = hashLogits(seed, vocabulary);
  const trimmed = trimmedVocabulary(vocabulary === 2 ? [1] : [0, vocabulary - 1], vocabulary);
  return [
    { target, vocabulary, draft: hashLogits(seed + 100, vocabulary) },
    { target, vocabulary, draft: target },
    { target, vocabulary, draft: hashLogits(seed + 200, trimmed.classes), trimmed },
  ];
}

async function check(
  device: Device,
  rule: TestedRule,
  samplings: typeof SAMPLINGS,
  sizes: readonly (readonly [number, number])[],
) {
  for (const { sampling, warp } of samplings) {
    for (const [vocabulary, gamma] of sizes) {
      const tellers = pairsOf(vocabulary, 1).map(({ trimmed }) =>
        lawTeller(device, rule, sampling, trimmed)
      );
      for (const seed of [1, 2]) {
        for (const [i, pair] of pairsOf(vocabulary, seed).entries()) {
          const mass = await emission(rule, tellers[i], pair, gamma);
          const far = distance(mass, lawUnder(warp, pair.target), gamma);
          assert(
            far <= TOLERANCE,
            `${rule.name}: ${far} at ${JSON.stringify(sampling)}, ${vocabulary}, ${gamma}`,
          );
        }
      }
    }
  }
}

for (const backend of BACKENDS) {
  testOn(backend, "a round on the device emits the target's joint distribution", async (made) => {
    const device = createDevice(made);
    for (const rule of RULES) await check(device, rule, [SAMPLINGS[1], SAMPLINGS[3]], [[3, 2]]);
    device.close();
  });
}

Deno.test("rounds of every small size emit the target's joint distribution", async () => {
  const device = createDevice(wasmBackend());
  const sizes = [[2, 1], [3, 2], [2, 3], [3, 1], [4, 2], [3, 3]] as const;
  for (const rule of RULES) await check(device, rule, SAMPLINGS, sizes);
  device.close();
});

for (const rule of RULES) {
  Deno.test(`a verdict says what the laws of the ${rule.name} rule say in every region of the coins`, async () => {
    const device = createDevice(wasmBackend());
    for (const { sampling } of SAMPLINGS) {
      for (const pair of pairsOf(4, 3)) {
        const teller = lawTeller(device, rule, sampling, pair.trimmed);
        for (const drafted of sequences(pair.trimmed?.other ?? 4, 2)) {
          await checkVerdicts(rule, teller, roundOf(pair, drafted));
        }
      }
    }
    device.close();
  });

  Deno.test(`a draft that equals the target stands with every coin of the ${rule.name} rule`, async () => {
    const device = createDevice(wasmBackend());
    for (const { sampling } of SAMPLINGS) {
      const rows = hashLogits(5, 4);
      const pair = { target: rows, draft: rows, vocabulary: 4 };
      const teller = lawTeller(device, rule, sampling);
      for (const drafted of sequences(4, 2)) {
        const round = roundOf(pair, drafted);
        if ((await teller.laws(round)).drawn.includes(0)) continue;
        for (const coin of [0, 0.5, 1 - 2 ** -53]) {
          const coins = { accept: [coin, coin], sample: [coin, coin, coin] };
          assertEquals((await teller.verdict(round, coins)).accepted, 2);
        }
      }
    }
    device.close();
  });
}

/** Holds verdicts against the laws, with a coin in the middle of every region. */
async function checkVerdicts(rule: TestedRule, teller: LawTeller, round: LogitRound) {
  const { drawn, accepts, next } = await teller.laws(round);
  if (drawn.includes(0)) return;
  for (const pattern of patterns(2)) {
    if (pattern.some((yes, i) => accepts[i] === (yes ? 0 : 1))) continue;
    const accept = pattern.map((yes, i) => yes ? accepts[i] / 2 : (1 + accepts[i]) / 2);
    const accepted = rule.accepted(pattern);
    let before = 0;
    for (const [token, probability] of next[accepted].entries()) {
      const coin = before + probability / 2;
      before += probability;
      if (probability < 1e-5) continue;
      const verdict = await teller.verdict(round, { accept, sample: [coin, coin, coin] });
      assertEquals(verdict, { accepted, next: token });
    }
  }
}
