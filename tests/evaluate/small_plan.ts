/** A small evaluation on models of a few tokens, for tests of what is made of it. */
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  type Decoder,
  draftModel,
  functionModel,
  generate,
  limit,
  speculative,
  temperature,
  verifyToken,
} from "../../src/decode/mod.ts";
import type {
  DraftIdentity,
  EvaluationArm,
  EvaluationHead,
  EvaluationPlan,
  Writer,
} from "../../src/evaluate/mod.ts";
import { hashLogits, nearModel } from "../decode/mock_models.ts";

const VOCABULARY = 5;
const MOST_TOKENS = 12;

/** What the results of {@link smallPlan} share. */
export const HEAD: EvaluationHead = {
  target: "small",
  tokenizer: "hash",
  dtype: "f32",
  cache: "f32",
  maxTokens: MOST_TOKENS,
  seed: 1,
};

/** Models of a few tokens need no warming up beyond a text each. */
export const COLD = { warmUpSeconds: 0 };

/** A model draft by its name. */
export function modelDraft(name: string, fingerprint = "f"): DraftIdentity {
  return { name, kind: "model", fingerprint, sizeRatio: 0.1 };
}

/** Prompts of two tasks, one of them out of distribution, greedy and sampled, by some drafts. */
export function smallPlan(
  { drafts = ["base", "kld"], prompts = 4, told = () => {} }: {
    readonly drafts?: readonly string[];
    readonly prompts?: number;
    /** Told who writes, by draft; "plain" without one. */
    readonly told?: (draft: string, most: number | undefined) => void;
  } = {},
): EvaluationPlan {
  const logits = hashLogits(3, VOCABULARY, 2);
  const target = functionModel({ vocabulary: VOCABULARY, contextLength: 64, logits });
  const decodings = [0, 1].map((heat) => {
    const warp = temperature(heat);
    const writer = <State>(name: string, decoder: Decoder<State>): Writer => {
      return (prompt, { key, signal, most = MOST_TOKENS }) => {
        told(name, most === MOST_TOKENS ? undefined : most);
        return generate(limit(decoder, most), prompt, { key, signal });
      };
    };
    const arms = drafts.flatMap((name, i): EvaluationArm[] => {
      const draft = draftModel(nearModel(40 + i, logits, VOCABULARY));
      return [2, 3].map((gamma) => {
        const decoder = speculative({ target, draft, verify: verifyToken, warp, gamma });
        return { draft: modelDraft(name), gamma, verify: "token", write: writer(name, decoder) };
      });
    });
    const plain = writer("plain", autoregressive({ target, warp }));
    return { name: `T=${heat}`, greedy: heat === 0, plain, arms };
  });
  const tasks = ["known", "code"].map((name, i) => ({
    name,
    outOfDistribution: name === "code",
    prompts: Array.from({ length: prompts }, (_, j) => [i, j % VOCABULARY, (j + i) % VOCABULARY]),
  }));
  return { tasks, decodings, key: keyOf(1) };
}
