/**
 * What steps on a device take by the length of their drafts, as they follow each other in decoding.
 *
 * @module
 */
import { keyOf } from "../../core/random.ts";
import type { DraftLength } from "../draft_length.ts";
import { type Costs, interpolated, wholeOf } from "../measure_costs.ts";
import { median } from "../step_times.ts";
import { speculativeOnDevice, type SpeculativeOnDeviceOptions } from "./speculative.ts";

/** Lengths of drafts that are measured, up to where longer ones cannot pay; between is linear. */
const MEASURED_LENGTHS = [0, 1, 3, 7];
/** Steps of each length; the first of them compile and let the draft catch up. */
const STEPS = { all: 7, warm: 4 };
/** Tokens of the text while measuring. */
const CONTEXT_TOKENS = 16;

/** So many steps of each length. */
const inOrder: DraftLength<number> = {
  init: () => 0,
  gamma: lengthAt,
  step: (done, { drafted }) => drafted === lengthAt(done) ? done + 1 : done,
};

function lengthAt(done: number): number {
  const last = MEASURED_LENGTHS.length - 1;
  return MEASURED_LENGTHS[Math.min(last, Math.floor(done / STEPS.all))];
}

/** Seconds of a step by the length of its draft. */
type StepSeconds = readonly (readonly [gamma: number, seconds: number])[];

/** Times by length, until a longer draft gains nothing even if all of it stands. */
async function timesByLength(options: SpeculativeOnDeviceOptions): Promise<StepSeconds> {
  const { target, draft } = options;
  // What models remember is not for this text.
  const cold = { target: { ...target, memory: undefined }, draft: { ...draft, memory: undefined } };
  const decoder = speculativeOnDevice({ ...options, ...cold, gamma: inOrder });
  const found: [gamma: number, seconds: number][] = [];
  const tokens = Math.min(CONTEXT_TOKENS, target.config.contextLength);
  let state = await decoder.init(new Array<number>(tokens).fill(0), keyOf(0));
  let bestRate = 0;
  try {
    for (const gamma of MEASURED_LENGTHS) {
      const seconds: number[] = [];
      while (seconds.length < STEPS.all) {
        const step = await decoder.step(state);
        state = step.state;
        if (step.report.drafted === gamma) seconds.push(wholeOf(step.report.seconds));
        if (step.finish !== undefined) return found;
      }
      const usual = median(seconds.slice(-STEPS.warm));
      found.push([gamma, usual]);
      const rate = (gamma + 1) / Math.max(usual, Number.EPSILON);
      if (rate < bestRate) break;
      bestRate = rate;
    }
    return found;
  } finally {
    decoder.close(state);
  }
}

/** What a drafted token adds to a step, by the curve of steps. */
function addedByToken(curve: StepSeconds): number {
  const [first, last] = [curve[Math.min(1, curve.length - 1)], curve[curve.length - 1]];
  const [tokens, time] = [last[0] - first[0], last[1] - first[1]];
  return Math.max(0, tokens > 0 ? time / tokens : last[1] - 1);
}

/**
 * Measures the costs of steps on a device, now, as {@link measureCosts} does for passes whose results
 * come to the host: a few steps of each length, with as many in flight as there will be.
 *
 * Passes follow each other on the device, so that what each takes is not seen: `draftCost` is what a
 * drafted token adds to a step, and `rowsCost` what remains of the step.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { measureCostsOnDevice } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 256 });
 * const target = { device, config, parameters: uploadTree(device, initLlama(keyOf(1), config)) };
 * const now = () => device.counters().runs; // a clock by which every pass takes a second
 * const sampling = { temperature: 0 };
 * const costs = await measureCostsOnDevice({ target, draft: target, sampling, now });
 * assertEquals([costs.draftCost, costs.rowsCost(4), costs.lengths], [1, 1, [1, 3, 7]]);
 * ```
 */
export async function measureCostsOnDevice(options: SpeculativeOnDeviceOptions): Promise<Costs> {
  const [plain, ...drafted] = await timesByLength(options);
  const passSeconds = Math.max(plain?.[1] ?? 0, Number.EPSILON);
  const steps = drafted.map(([gamma, seconds]) => [gamma, seconds / passSeconds] as const);
  const curve: StepSeconds = [[0, 1], ...steps];
  const draftCost = addedByToken(curve);
  const rowsCost = (rows: number): number =>
    curve.length < 2 ? rows : interpolated(curve, rows - 1) - (rows - 1) * draftCost;
  return {
    draftCost,
    blockCost: 0,
    catchUpCost: 0,
    rowsCost,
    hostCost: () => 0,
    points: curve.map(([gamma]) => [gamma + 1, rowsCost(gamma + 1)]),
    lengths: drafted.map(([gamma]) => gamma),
    passSeconds,
  };
}
