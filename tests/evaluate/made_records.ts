/** Records of an evaluation that never ran, with figures that are known beforehand. */
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { type DraftKind, type EvaluationRecord, NO_TALLY } from "../../src/evaluate/mod.ts";

/** What one draft is made to do. */
export interface MadeDraft {
  readonly name: string;
  readonly kind?: DraftKind;
  readonly sizeRatio?: number;
  /** tau by task and decoding; prompts scatter around it. */
  readonly tau: (task: string, decoding: string) => number;
  /** Tokens per second over those of plain decoding. */
  readonly speed?: (task: string) => number;
}

/** What records are made of. */
export interface MadeOptions {
  readonly drafts: readonly MadeDraft[];
  readonly tasks?: readonly string[];
  readonly decodings?: readonly string[];
  readonly prompts?: number;
  readonly gammas?: readonly (number | "auto")[];
  /** Greedy texts of this draft that differ from the plain ones. */
  readonly wrong?: string;
  /** The deviation of tau over prompts, of which half is common to all drafts. */
  readonly scatter?: number;
}

/** The task that made records call out of distribution. */
export const OUTSIDE = "code";
const PLAIN_SECONDS = 10;
const PASSES = 50;

/** A prompt's noise of deviation 1 for some names; that of the next prompt cancels it. */
function noiseOf(prompt: number, ...names: readonly string[]): number {
  const [noise] = normals(names.reduce(foldIn, foldIn(keyOf(5), prompt >> 1)), 1);
  return prompt % 2 === 0 ? noise : -noise;
}

/** Records in the order in which a run would append them. */
export function madeRecords(options: MadeOptions): EvaluationRecord[] {
  const { drafts, tasks = ["chat"], decodings = ["T=0"], prompts = 20 } = options;
  const { gammas = [3], wrong, scatter = 0.1 } = options;
  return decodings.flatMap((decoding) =>
    tasks.flatMap((task) =>
      Array.from({ length: prompts }, (_, prompt): EvaluationRecord[] => {
        const shared = {
          task: { name: task, outOfDistribution: task === OUTSIDE },
          prompt,
          promptDigest: `${task} ${prompt}`,
          decoding: { name: decoding, greedy: decoding === "T=0" },
          visit: 1,
        };
        const plain = { ...NO_TALLY, tokens: 100, passes: 100 };
        const seconds = { ...NO_TALLY.seconds, target: PLAIN_SECONDS };
        const common = noiseOf(prompt, task, decoding);
        const texts = drafts.flatMap((draft) =>
          gammas.map((gamma): EvaluationRecord => {
            const { name, kind = "model", sizeRatio = 0.02, speed = () => 1 } = draft;
            const own = noiseOf(prompt, task, decoding, name, `${gamma}`);
            const tau = draft.tau(task, decoding) + scatter * (common + own) / 2;
            const time = PLAIN_SECONDS * (tau * PASSES / 100) / speed(task);
            return {
              ...shared,
              arm: { draft: { name, kind, fingerprint: "", sizeRatio }, gamma, verify: "block" },
              digest: name === wrong ? "other" : "text",
              tally: {
                ...plain,
                tokens: tau * PASSES,
                passes: PASSES,
                drafted: 3 * PASSES,
                accepted: (tau - 1) * PASSES,
                judged: 2 * PASSES,
                long: [PASSES],
                reached: [PASSES],
                stood: [PASSES / 2],
                seconds: { ...seconds, target: time * (1 + 0.01 * own) },
              },
            };
          })
        );
        return [{ ...shared, digest: "text", tally: { ...plain, seconds } }, ...texts];
      }).flat()
    )
  );
}
