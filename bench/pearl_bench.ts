/**
 * PEARL against speculative and plain decoding of SmolLM2 with its drafter, greedy, in turns at every
 * prompt. Speculative and plain decoding have all threads for one model after the other; PEARL has its
 * target in a worker with all threads but one, and its draft beside it on the last one. What the
 * target does in the worker alone shows what giving up a thread costs.
 *
 *     deno run -A bench/pearl_bench.ts --tasks tasks/open_ended.jsonl,tasks/code.jsonl --json
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { choice, integer, optionalText, text } from "@outrider/outrider/cli";
import { openPrompts } from "@outrider/outrider/data";
import {
  automaticLength,
  autoregressive,
  balancedLength,
  type Decoder,
  draftModel,
  limit,
  measureCosts,
  pearl,
  pearlLength,
  pearlRate,
  speculative,
  temperature,
  untilToken,
  verifyBlock,
} from "@outrider/outrider/decode";
import { encodeChat, type Tokenizer, WEIGHT_TYPES } from "@outrider/outrider/io";
import { timedDecode } from "./harness/decoding.ts";
import { openDraftOn } from "./harness/drafts.ts";
import { deviceWith, openOn, smolLm2 } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { ratioOf } from "./harness/statistics.ts";
import { type PartedSide, runTurns } from "./harness/turns.ts";
import { openWorkerModel } from "../examples/common/worker_models.ts";

interface Settings {
  /** Prompts of each file. */
  readonly prompts: number;
  readonly maxPrompt: number;
  readonly maxTokens: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** A way to decode, and the tokens that it wrote last, by prompt. */
interface Way {
  readonly side: PartedSide;
  readonly written: () => readonly (readonly number[])[];
}

const GREEDY = temperature(0);

/** Prompts of all files in tokens. */
async function promptsOf(
  tasks: string | undefined,
  tokenizer: Tokenizer,
  { prompts, maxPrompt }: Settings,
): Promise<readonly (readonly number[])[]> {
  if (tasks === undefined) {
    throw new OutriderError("--tasks FILE,...", "none", "name .jsonl files of prompts");
  }
  const found: (readonly number[])[] = [];
  for (const file of tasks.split(",")) {
    const all = await openPrompts(file, { seed: 1, count: Number.MAX_SAFE_INTEGER });
    const encoded = all.map((messages) => encodeChat(tokenizer, messages));
    found.push(...encoded.filter(({ length }) => length <= maxPrompt).slice(0, prompts));
  }
  return found;
}

/** Tokens per second over all prompts, their passes apart. */
function wayOf<State>(
  name: string,
  decoder: Decoder<State>,
  prompts: readonly (readonly number[])[],
  endOfTurn: ReadonlySet<number>,
  { maxTokens }: Settings,
): Way {
  const ended = limit(untilToken(decoder, endOfTurn), maxTokens);
  const written: (readonly number[])[] = [];
  const measure = async (part: number) => {
    const { tokens, seconds } = await timedDecode(ended, prompts[part], maxTokens);
    written[part] = tokens;
    return { amount: tokens.length, seconds };
  };
  return { side: { name, unit: "tokens/s", measure }, written: () => written };
}

async function compare(bench: Bench, ways: readonly Way[], settings: Settings, parts: number) {
  const options = bench.roundOptions("PEARL", settings);
  const series = await runTurns(ways.map(({ side }) => side), parts, options);
  const [plain, ...others] = series;
  const expected = JSON.stringify(ways[0].written());
  const unequal = ways.filter(({ written }) => JSON.stringify(written()) !== expected);
  return {
    series,
    ratios: others.map((one) => ratioOf(`${one.name} / ${plain.name}`, one, plain)),
    remarks: unequal.length === 0
      ? ["all ways wrote the same tokens"]
      : unequal.map(({ side }) => `NOT the plain tokens: ${side.name}`),
  };
}

await runBench(import.meta, {
  name: "pearl_bench",
  summary: "PEARL against speculative and plain decoding of the same model and draft.",
  flags: {
    ...benchFlags,
    tasks: optionalText({ placeholder: "FILE,...", help: ".jsonl files of prompts" }),
    draft: text({ placeholder: "DRAFT|auto", default: "auto", help: "a draft of SmolLM2" }),
    dtype: choice({ of: WEIGHT_TYPES, default: "q8", help: "weights of the target" }),
    threads: integer({ default: 2, minimum: 2, maximum: 64, help: "threads that each way has" }),
  },
  settings: { prompts: 3, maxPrompt: 256, maxTokens: 64, rounds: 5, warmUp: 1 },
  quick: { prompts: 1, maxPrompt: 128, maxTokens: 12, rounds: 1, warmUp: 0 },
}, async (bench, settings: Settings, { tasks, draft: name, dtype, threads }): Promise<Findings> => {
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (path === undefined) return joinFindings([]);
  const here = await openOn(threads, path, dtype);
  const { tokenizer } = here.file;
  const prompts = await bench.attempt("prompts", () => promptsOf(tasks, tokenizer, settings));
  if (prompts === undefined || prompts.length === 0) return joinFindings([]);
  const together = await openDraftOn(here, name, "f32");
  const device = deviceWith(1);
  const beside = await openDraftOn({ device, file: here.file }, name, "f32");
  const inWorker = await openWorkerModel({ path, dtype, threads: threads - 1 });
  try {
    const { vocabulary } = beside;
    const costs = await measureCosts(here.model, together.model, { vocabulary });
    const apart = await measureCosts(inWorker.model, beside.model, { vocabulary });
    const first = pearlLength(apart);
    const common = { draft: draftModel(together.model, { vocabulary }), warp: GREEDY };
    const draft = draftModel(beside.model, { vocabulary });
    const target = inWorker.model;
    const way = <State>(kind: string, decoder: Decoder<State>): Way =>
      wayOf(kind, decoder, prompts, tokenizer.endOfTurn, settings);
    const inTurns = { ...common, target: here.model, verify: verifyBlock };
    const found = await compare(
      bench,
      [
        way("plain", autoregressive({ target: here.model, warp: GREEDY })),
        way("plain in the worker", autoregressive({ target, warp: GREEDY })),
        way("speculative, auto", speculative({ ...inTurns, gamma: automaticLength(costs) })),
        way("speculative, 3 tokens", speculative({ ...inTurns, gamma: 3 })),
        way(
          "PEARL, balanced",
          pearl({ target, draft, warp: GREEDY, gamma: balancedLength({ first, longest: first }) }),
        ),
        way(`PEARL, ${first} tokens`, pearl({ target, draft, warp: GREEDY, gamma: first })),
      ],
      settings,
      prompts.length,
    );
    const rates = [0.3, 0.5, 0.7, 0.9].map((acceptance) =>
      `${acceptance}: ${pearlRate(acceptance, first, apart).toFixed(2)}`
    );
    const remark = `a drafted token takes ${apart.draftCost.toFixed(2)} of a pass in the worker, ` +
      `${first} rows ${
        apart.rowsCost(first).toFixed(2)
      }; at full speed on both sides, PEARL over ` +
      `plain decoding in the worker by acceptance: ${rates.join(", ")}`;
    return { ...found, remarks: [...found.remarks, remark] };
  } finally {
    inWorker.close();
    beside.close();
    together.close();
    device.close();
    here.close();
  }
});
