/**
 * The lengths that a draft may have, and what each promises.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** What `automaticLength` knows of the machine and how it learns. */
export interface AutomaticLengthOptions {
  /** Time that each drafted token takes over time of a target pass of one row. */
  readonly draftCost: number;
  /** Time that a draft takes besides, whatever its length, over that pass; 0 if left out. */
  readonly blockCost?: number;
  /** Time of a target pass of `rows` rows over that of one row; 1 if left out. */
  readonly rowsCost?: (rows: number) => number;
  /** Time of a step outside the models by the tokens drafted, over that pass; 0 if left out. */
  readonly hostCost?: (drafted: number) => number;
  /** Time that a token written without a draft adds to the next draft; 0 if left out. */
  readonly catchUpCost?: number;
  /** The longest draft; the longest of `lengths` or 8 if left out. */
  readonly longest?: number;
  /** Lengths to choose from; all from 1 on if left out. Those not measured compile in the text. */
  readonly lengths?: readonly number[];
  /** How many judged tokens the estimate remembers; 64 if left out. */
  readonly memory?: number;
  /** After how many steps without a draft to try one token, at the earliest; 32 if left out. */
  readonly retry?: number;
}

/** A draft must promise this much over plain decoding, since costs are measured, not known. */
export const DRAFTING_GAIN = 1.1;
/** The longest draft where nothing says what can be had. */
const LONGEST = 8;

/** A length to choose from, and what a step with such a draft takes. */
export interface Choice {
  readonly gamma: number;
  readonly time: number;
}

/** The options as the rule needs them; times are in steps without a draft. */
export interface Settings {
  /** By length; the first is no draft. */
  readonly choices: readonly Choice[];
  /** Time of a step with such a draft, by the given costs. */
  readonly timeOf: (gamma: number) => number;
  /** Time that a token written without a draft adds to the next draft. */
  readonly lagTime: number;
  /** The shortest length that pays if all of it stands, to be tried; 0 where no draft can pay. */
  readonly trial: (correction: number) => number;
  readonly memory: number;
  readonly retry: number;
}

/** Checks the options and fills in what is left out. */
export function settingsOf(options: AutomaticLengthOptions): Settings {
  const { draftCost, rowsCost = () => 1, hostCost = () => 0, catchUpCost = 0 } = options;
  const { blockCost = 0, memory = 64, retry = 32, lengths } = options;
  const { longest = Math.max(0, ...lengths ?? [LONGEST]) } = options;
  const costs = [draftCost, blockCost, catchUpCost];
  if (!(costs.every((cost) => cost >= 0) && longest >= 0 && memory > 0 && retry > 0)) {
    throw new OutriderError(
      "a draft cost, others and a longest draft of 0 or more, a memory and a retry above 0",
      `${costs.join(", ")}, ${longest}, ${memory}, ${retry}`,
      "measure the draft cost, leave the others out",
    );
  }
  const plain = rowsCost(1) + hostCost(0);
  const draftTime = (gamma: number) => gamma === 0 ? 0 : blockCost + gamma * draftCost;
  const timeOf = (gamma: number) =>
    (rowsCost(gamma + 1) + draftTime(gamma) + hostCost(gamma)) / plain;
  const drafts = (lengths ?? Array.from({ length: longest }, (_, i) => i + 1))
    .filter((gamma) => gamma <= longest).toSorted((a, b) => a - b);
  const choices = [0, ...drafts].map((gamma) => ({ gamma, time: timeOf(gamma) }));
  const canPay = (choice: Choice, correction: number) =>
    choice.gamma > 0 && rateOf(choice, 1, correction) >= DRAFTING_GAIN;
  const trial = (correction: number) =>
    choices.find((choice) => canPay(choice, correction))?.gamma ?? 0;
  return { choices, timeOf, lagTime: catchUpCost / plain, trial, memory, retry };
}

/** Tokens that a pass over `gamma` drafted ones gives, each standing with a probability. */
function expectedTokens(acceptance: number, gamma: number): number {
  let tokens = 1;
  for (let i = 0; i < gamma; i++) tokens = 1 + acceptance * tokens;
  return tokens;
}

/** Tokens per step without a draft that a choice promises, if drafts take `correction` the time. */
export function rateOf({ gamma, time }: Choice, acceptance: number, correction: number): number {
  return gamma === 0 ? 1 : expectedTokens(acceptance, gamma) / (correction * time);
}

/** The choice with the best rate; the least of equals. */
export function bestOf(
  choices: readonly Choice[],
  acceptance: number,
  correction: number,
): Choice {
  let [best, bestRate] = [choices[0], 1];
  for (const choice of choices) {
    const rate = rateOf(choice, acceptance, correction);
    if (rate > bestRate) [best, bestRate] = [choice, rate];
  }
  return best;
}
