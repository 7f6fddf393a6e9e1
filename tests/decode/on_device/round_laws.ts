/** Laws of a block as a device computes them, and what it emits, by summing over drafts and coins. */
import { hostTensor } from "../../../src/core/host_tensor.ts";
import { concat, constant } from "../../../src/core/movement_ops.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { type ClassTables, classTables } from "../../../src/decode/on_device/classes.ts";
import { distributionsOf, probabilitiesOf } from "../../../src/decode/on_device/distribution.ts";
import type { CoinParts } from "../../../src/decode/on_device/draw.ts";
import { blockLaw, blockLaws } from "../../../src/decode/on_device/block_law.ts";
import type { RoundTensors, TokenLaw } from "../../../src/decode/on_device/law.ts";
import {
  blockDistributions,
  nextAfter,
  type NextTensors,
  sampledLaw,
} from "../../../src/decode/on_device/sampled_law.ts";
import { coinParts } from "../../../src/decode/on_device/coin_table.ts";
import {
  numbersOf,
  type Sampling,
  type SamplingNumbers,
} from "../../../src/decode/on_device/sampling.ts";
import type { TrimmedVocabulary } from "../../../src/nn/mod.ts";
import { compile, type Device, read, releaseTree, uploadTree } from "../../../src/runtime/mod.ts";

/** A block in logits: of classes for the draft, of tokens for the target. */
export interface LogitRound {
  readonly drafted: readonly number[];
  /** `[gamma][classes]` */
  readonly draft: readonly Float32Array[];
  /** `[gamma + 1][vocabulary]` */
  readonly target: readonly Float32Array[];
}

/** What a device says of a block. */
export interface DeviceLaws {
  /** The draft's probabilities of what it drafted, `[gamma]`. */
  readonly drawn: Float32Array;
  /** The probability that a coin lets the first 1, 2, ... gamma tokens stand, as the rule asks. */
  readonly accepts: readonly number[];
  /** The distribution of the next token after 0, 1, ... gamma tokens. */
  readonly next: readonly (readonly number[])[];
}

/** The coins of a verdict. */
export interface VerdictCoins {
  readonly accept: readonly number[];
  readonly sample: readonly number[];
}

/** A rule: its laws before chance, and its verdict. */
export interface TestedRule {
  readonly name: string;
  readonly laws: (
    round: RoundTensors,
    sampling: SamplingNumbers<Tensor>,
  ) => { readonly accepts: Tensor; readonly next: (accepted: Tensor) => NextTensors };
  readonly law: TokenLaw;
  /** The probability that 0, 1, ... gamma tokens stand, from what single coins accept. */
  readonly standing: (accepts: readonly number[]) => readonly number[];
  /** How many tokens stand, by whether each coin accepts. */
  readonly accepted: (pattern: readonly boolean[]) => number;
}

/** Each token stands if all before it do and its coin accepts. */
const TOKEN: TestedRule = {
  name: "token",
  laws: (round, sampling) => {
    const block = blockDistributions(round, sampling);
    return { accepts: block.ratios, next: (accepted) => nextAfter(round, block, accepted, 1) };
  },
  law: sampledLaw,
  standing: (accepts) => {
    const products = accepts.reduce((all, one) => [...all, all[all.length - 1] * one], [1]);
    return products.map((product, i) => product * (1 - (accepts[i] ?? 0)));
  },
  accepted: (pattern) => [...pattern, false].indexOf(false),
};

/** The longest prefix whose coin accepts stands. */
const BLOCK: TestedRule = {
  name: "block",
  laws: blockLaws,
  law: blockLaw,
  standing: (accepts) => {
    const fails = accepts.map((_, i) =>
      accepts.slice(i).reduce((product, one) => product * (1 - one), 1)
    );
    return [1, ...accepts].map((one, i) => one * (fails[i] ?? 1));
  },
  accepted: (pattern) => pattern.lastIndexOf(true) + 1,
};

/** The rules that a device judges by. */
export const RULES: readonly TestedRule[] = [TOKEN, BLOCK];

/** A device that is asked about blocks. */
export interface LawTeller {
  laws(round: LogitRound): Promise<DeviceLaws>;
  verdict(round: LogitRound, coins: VerdictCoins): Promise<{ accepted: number; next: number }>;
}

interface RoundArrays<Leaf> {
  readonly drafted: Leaf;
  readonly draft: Leaf;
  readonly target: Leaf;
}

function arraysOf({ drafted, draft, target }: LogitRound) {
  const rows = (some: readonly Float32Array[]) =>
    hostTensor(Float32Array.from(some.flatMap((row) => [...row])), [some.length, some[0].length]);
  return {
    drafted: hostTensor(Int32Array.from(drafted)),
    draft: rows(draft),
    target: rows(target),
  };
}

function tensorsOf(
  { drafted, draft, target }: RoundArrays<Tensor>,
  classes: ClassTables,
  numbers: SamplingNumbers<Tensor>,
) {
  const { below, totals } = distributionsOf(classes.possible(draft), numbers);
  return {
    drafted,
    evidence: [[below, totals]],
    targetLogits: target,
    limit: constant(Int32Array.of(drafted.shape[0])),
    classes,
  };
}

/** Compiles the laws and the verdict of blocks. */
export function lawTeller(
  device: Device,
  rule: TestedRule,
  sampling: Sampling,
  vocabulary?: TrimmedVocabulary,
): LawTeller {
  const classes = classTables(vocabulary);
  const laws = compile(
    device,
    (round: RoundArrays<Tensor>, numbers: SamplingNumbers<Tensor>) => {
      const tensors = tensorsOf(round, classes, numbers);
      const gamma = round.drafted.shape[0];
      const { accepts, next } = rule.laws(tensors, numbers);
      const places = Array.from({ length: gamma + 1 }, (_, i) => constant(Int32Array.of(i)));
      return {
        accepts,
        draft: probabilitiesOf(distributionsOf(classes.possible(round.draft), numbers)),
        next: concat(places.map((place) => next(place).weights), 0),
      };
    },
  );
  const verdict = compile(
    device,
    (
      round: RoundArrays<Tensor>,
      numbers: SamplingNumbers<Tensor>,
      accept: Tensor,
      sample: CoinParts<Tensor>,
    ) => {
      const made = rule.law.judge(
        tensorsOf(round, classes, numbers),
        { accept, sample },
        numbers,
      );
      return concat([made.accepted, made.next], 0);
    },
  );
  return {
    laws: async (round) => {
      const given = uploadTree(device, [arraysOf(round), numbersOf(sampling)] as const);
      const made = laws(...given);
      const [accepts, draft, next] = [
        await read(made.accepts),
        await read(made.draft),
        await read(made.next),
      ];
      releaseTree([given, made]);
      const width = round.target[0].length;
      const classCount = round.draft[0].length;
      return {
        drawn: Float32Array.from(round.drafted, (token, i) => draft[i * classCount + token]),
        accepts: Array.from(accepts, (bound) => Math.min(1, bound)),
        next: round.target.map((_, i) => {
          const weights = [...next.slice(i * width, (i + 1) * width)];
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          return weights.map((weight) => weight / total);
        }),
      };
    },
    verdict: async (round, { accept, sample }) => {
      const parts = coinParts(accept);
      const given = uploadTree(
        device,
        [arraysOf(round), numbersOf(sampling), parts.high, coinParts(sample)] as const,
      );
      const made = verdict(...given);
      const [accepted, next] = await read(made);
      releaseTree([given, made]);
      return { accepted, next };
    },
  };
}
