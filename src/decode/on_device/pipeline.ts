/**
 * Decoders whose steps are queued on a device before the results of earlier ones are known.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Key } from "../../core/random.ts";
import { read } from "../../runtime/device.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import { type Coins, coinsOf } from "../coins.ts";
import type { Decoder, Step } from "../decoder.ts";
import type { DraftLength } from "../draft_length.ts";
import type { TokenId } from "../language_model.ts";
import { checkPrompt, type Clock, isFull, machineClock } from "../text_state.ts";
import { type UseOnce, useOnce } from "../use_once.ts";

/** How long a text is when a queued step begins. */
export interface LengthBounds {
  /** The fewest tokens. */
  readonly least: number;
  /** The most tokens. */
  readonly most: number;
}

/** What a step is queued for. */
export interface NextStep {
  /** The tokens that are known, prompt included. */
  readonly text: readonly TokenId[];
  /** The coins of the text. */
  readonly coins: Coins;
  /** How long the text is when the step begins. */
  readonly length: LengthBounds;
  /** Tokens to draft. */
  readonly gamma: number;
}

/** What a step's result says. */
export interface Outcome {
  /** The new tokens. -1 stands for one whose logits were not numbers. */
  readonly tokens: readonly TokenId[];
  /** The drafted tokens that were judged. */
  readonly proposal: readonly TokenId[];
}

/** What a pipeline queues. `Work` is the arrays that one step hands to the next. */
export interface Pipeline<Work> {
  /** How many tokens there are. */
  readonly vocabulary: number;
  /** Rows that fit the target's cache. */
  readonly contextLength: number;
  /** Reads a prompt. */
  open(prompt: readonly TokenId[]): Promise<Work>;
  /**
   * Queues a step and does not wait for it; undefined where it has to know what is in flight first.
   * A call that fails has released the work.
   */
  queue(work: Work, step: NextStep): Queued<Work> | undefined;
  /** What a result says. */
  outcome(result: Int32Array): Outcome;
  /** Releases the work of a text that failed. */
  release(work: Work): void;
  /** Ends a text: releases its work, or keeps what the next text may begin with. */
  close(work: Work, end: Pick<NextStep, "text" | "length">): void;
}

/** A queued step. */
export interface Queued<Work> {
  /** What the next step goes on from. */
  readonly work: Work;
  /** i32: what the host has to read. */
  readonly result: DeviceArray;
  /** Tokens that are drafted: those asked for, or none where there is no room. */
  readonly gamma: number;
  /** Seconds that queueing drafts took; where a device computes at once, that is drafting. */
  readonly draftSeconds: number;
}

/** A queued step whose result is on its way. */
export interface PendingStep {
  /** What the host reads. */
  readonly result: Promise<Int32Array>;
  /** Tokens that were drafted. */
  readonly gamma: number;
  /** Seconds that queueing took, and drafts among them. */
  readonly seconds: { readonly queue: number; readonly draft: number };
}

/** The state of a decoder on a device. */
export interface OnDeviceState<Work, LengthState = null> {
  /** All tokens that are known, prompt included. */
  readonly text: readonly TokenId[];
  /** The coins of this text. */
  readonly coins: Coins;
  /** Seconds that `init` took, until a step has reported them. */
  readonly prefillSeconds: number;
  /** Makes the state use-once. */
  readonly mark: UseOnce;
  /** What the last queued step leaves. */
  readonly work: Work;
  /** Queued steps, the oldest first. */
  readonly pending: readonly PendingStep[];
  /** The drafted tokens that the last step judged; none before the first. */
  readonly proposal: readonly TokenId[];
  /** The state of the rule for the draft's length, after the steps that are known. */
  readonly length: LengthState;
}

/** Options that all decoders on a device have. */
export interface PipelineOptions {
  /**
   * Steps that are queued before the tokens of an earlier one are read; 0 if left out. The text is the
   * same, and a device with a queue of its own never waits for the host. When a text ends, so many
   * steps were in vain.
   */
  readonly ahead?: number;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
}

/** The options of a pipeline with the rule for the length of its drafts. */
export interface RuledOptions<LengthState> extends PipelineOptions {
  /** How many tokens to draft. */
  readonly rule: DraftLength<LengthState>;
}

/** The decoder of a pipeline. */
export function pipelined<Work, LengthState>(
  pipeline: Pipeline<Work>,
  options: RuledOptions<LengthState>,
): Decoder<OnDeviceState<Work, LengthState>> {
  const { ahead = 0, now = machineClock, rule } = options;
  if (!(Number.isInteger(ahead) && ahead >= 0)) {
    throw new OutriderError("0 or more steps ahead", `${ahead}`, "1 keeps a device busy");
  }
  return {
    init: async (prompt, key) => {
      const text = await begun(pipeline, prompt, key, now);
      return { ...text, length: rule.init() };
    },
    step: async (state) => {
      takeState(pipeline, state);
      let { work } = state;
      try {
        return await stepped(pipeline, state, { ahead, now, rule, hold: (next) => work = next });
      } catch (error) {
        pipeline.release(work);
        throw error;
      }
    },
    close: ({ mark, work, text, pending }) => {
      if (mark.takenBy !== undefined) return;
      mark.take("close");
      pipeline.close(work, { text, length: lengthAfter(text, pending) });
    },
  };
}

/** How long a text is when all that is in flight is done. */
function lengthAfter(text: readonly TokenId[], pending: readonly PendingStep[]): LengthBounds {
  const least = text.length + pending.length;
  return { least, most: pending.reduce((most, { gamma }) => most + gamma, least) };
}

async function begun<Work>(
  pipeline: Pipeline<Work>,
  prompt: readonly TokenId[],
  key: Key,
  now: Clock,
): Promise<Omit<OnDeviceState<Work>, "length">> {
  checkPrompt(pipeline, prompt);
  const start = now();
  const work = await pipeline.open(prompt);
  const prefillSeconds = now() - start;
  const mark = useOnce("decoder state");
  const coins = coinsOf(key);
  return { text: [...prompt], coins, prefillSeconds, mark, work, pending: [], proposal: [] };
}

function takeState<Work, LengthState>(
  pipeline: Pipeline<Work>,
  state: OnDeviceState<Work, LengthState>,
): void {
  if (state.mark.takenBy === undefined && isFull(pipeline, state)) {
    throw new OutriderError(
      `a text of at most ${pipeline.contextLength} tokens`,
      `${state.text.length} and another step`,
      "end where a step reports that it finished",
    );
  }
  state.mark.take("step");
}

interface Stepping<Work, LengthState> {
  readonly ahead: number;
  readonly now: Clock;
  readonly rule: DraftLength<LengthState>;
  /** Told which work is alive. */
  readonly hold: (work: Work) => void;
}

/** The work and the steps in flight after queueing. */
interface InFlight<Work> {
  readonly work: Work;
  readonly pending: readonly PendingStep[];
}

/** Queues what is to be in flight. */
function queued<Work, LengthState>(
  pipeline: Pipeline<Work>,
  state: OnDeviceState<Work, LengthState>,
  { ahead, now, rule, hold }: Stepping<Work, LengthState>,
): InFlight<Work> {
  const { text, coins } = state;
  const pending = [...state.pending];
  let { work } = state;
  let ruling = pending.reduce(
    (awaiting, { gamma }) => rule.awaiting?.(awaiting, gamma) ?? awaiting,
    state.length,
  );
  while (pending.length <= ahead) {
    const length = lengthAfter(text, pending);
    // A step that can only begin beyond the context would be in vain.
    if (length.least > pipeline.contextLength) break;
    const started = now();
    const step = pipeline.queue(work, { text, coins, length, gamma: rule.gamma(ruling) });
    if (step === undefined) break;
    work = step.work;
    hold(work);
    const { gamma } = step;
    const result = reading(step.result);
    const seconds = { queue: now() - started, draft: step.draftSeconds };
    pending.push({ result, gamma, seconds });
    ruling = rule.awaiting?.(ruling, gamma) ?? ruling;
  }
  return { work, pending };
}

/** Queues what is to be in flight, and waits for the oldest result. */
async function stepped<Work, LengthState>(
  pipeline: Pipeline<Work>,
  state: OnDeviceState<Work, LengthState>,
  stepping: Stepping<Work, LengthState>,
): Promise<Step<OnDeviceState<Work, LengthState>>> {
  const { now, rule } = stepping;
  const { work, pending: [first, ...rest] } = queued(pipeline, state, stepping);
  const waiting = now();
  const result = await first.result;
  const arrived = now();
  const { tokens, proposal } = pipeline.outcome(result);
  checkTokens(tokens, state.text.length);
  const mark = useOnce("decoder state");
  const text = [...state.text, ...tokens];
  const { queue, draft } = first.seconds;
  const seconds = {
    prefill: state.prefillSeconds,
    draft,
    target: queue - draft + arrived - waiting,
    verify: 0,
    host: now() - arrived,
  };
  const drafted = proposal.length;
  const report = { drafted, accepted: tokens.length - 1, emitted: tokens.length, seconds };
  const length = rule.step(state.length, report);
  const next = { ...state, text, prefillSeconds: 0, mark, work, pending: rest, proposal, length };
  return { state: next, tokens, report, finish: isFull(pipeline, next) ? "context" : undefined };
}

/** A result on its way to the host, whose memory is given back when it is there. */
function reading(result: DeviceArray): Promise<Int32Array> {
  const values = read(result).then((found) => {
    if (found instanceof Int32Array) return found;
    throw new OutriderError("i32 results", result.type, "compile the pass to give i32");
  }).finally(() => result.release());
  // Nobody waits for what a closed state had in flight.
  values.catch(() => {});
  return values;
}

function checkTokens(tokens: readonly TokenId[], length: number): void {
  const place = tokens.indexOf(-1);
  if (place < 0) return;
  throw new OutriderError(
    "finite logits",
    `numbers that are not in the logits row for position ${length + place}`,
    "check the model's weights",
  );
}
