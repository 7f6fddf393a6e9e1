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

/** What a step's result says. */
export interface Outcome {
  /** The new tokens. -1 stands for one whose logits were not numbers. */
  readonly tokens: readonly TokenId[];
  /** How many drafted tokens were judged. */
  readonly drafted: number;
}

/** What a pipeline queues. `Work` is the arrays that one step hands to the next. */
export interface Pipeline<Work> {
  /** How many tokens there are. */
  readonly vocabulary: number;
  /** Rows that fit the target's cache. */
  readonly contextLength: number;
  /** Most tokens of one step. */
  readonly longest: number;
  /** Reads a prompt. */
  open(prompt: readonly TokenId[]): Promise<Work>;
  /** Queues a step and does not wait for it. A call that fails has released the work. */
  queue(work: Work, coins: Coins, length: LengthBounds): Queued<Work>;
  /** What a result says. */
  outcome(result: Int32Array): Outcome;
  /** Releases the work of a text that failed. */
  release(work: Work): void;
  /** Ends a text: releases its work, or keeps what the next text may begin with. */
  close(work: Work, text: readonly TokenId[]): void;
}

/** A queued step. */
export interface Queued<Work> {
  /** What the next step goes on from. */
  readonly work: Work;
  /** i32: what the host has to read. */
  readonly result: DeviceArray;
  /** Seconds that queueing drafts took; where a device computes at once, that is drafting. */
  readonly draftSeconds: number;
}

/** The state of a decoder on a device. */
export interface OnDeviceState<Work> {
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
  /** Results of queued steps that are on their way, the oldest first. */
  readonly pending: readonly Promise<Int32Array>[];
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

/** The decoder of a pipeline. */
export function pipelined<Work>(
  pipeline: Pipeline<Work>,
  options: PipelineOptions,
): Decoder<OnDeviceState<Work>> {
  const { ahead = 0, now = machineClock } = options;
  if (!(Number.isInteger(ahead) && ahead >= 0)) {
    throw new OutriderError("0 or more steps ahead", `${ahead}`, "1 keeps a device busy");
  }
  return {
    init: async (prompt, key) => await begun(pipeline, prompt, key, now),
    step: async (state) => {
      takeState(pipeline, state);
      let { work } = state;
      try {
        return await stepped(pipeline, state, { ahead, now, hold: (next) => work = next });
      } catch (error) {
        pipeline.release(work);
        throw error;
      }
    },
    close: ({ mark, work, text }) => {
      if (mark.takenBy !== undefined) return;
      mark.take("close");
      pipeline.close(work, text);
    },
  };
}

async function begun<Work>(
  pipeline: Pipeline<Work>,
  prompt: readonly TokenId[],
  key: Key,
  now: Clock,
): Promise<OnDeviceState<Work>> {
  checkPrompt(pipeline, prompt);
  const start = now();
  const work = await pipeline.open(prompt);
  const prefillSeconds = now() - start;
  const mark = useOnce("decoder state");
  return { text: [...prompt], coins: coinsOf(key), prefillSeconds, mark, work, pending: [] };
}

function takeState<Work>(pipeline: Pipeline<Work>, state: OnDeviceState<Work>): void {
  if (state.mark.takenBy === undefined && isFull(pipeline, state)) {
    throw new OutriderError(
      `a text of at most ${pipeline.contextLength} tokens`,
      `${state.text.length} and another step`,
      "end where a step reports that it finished",
    );
  }
  state.mark.take("step");
}

interface Stepping<Work> {
  readonly ahead: number;
  readonly now: Clock;
  /** Told which work is alive. */
  readonly hold: (work: Work) => void;
}

/** Queues what is to be in flight, and waits for the oldest result. */
async function stepped<Work>(
  pipeline: Pipeline<Work>,
  state: OnDeviceState<Work>,
  { ahead, now, hold }: Stepping<Work>,
): Promise<Step<OnDeviceState<Work>>> {
  const started = now();
  const { text, coins } = state;
  const pending = [...state.pending];
  let { work } = state;
  let draftSeconds = 0;
  // A step that can only begin beyond the context would be in vain.
  while (
    pending.length <= ahead && text.length + pending.length <= pipeline.contextLength
  ) {
    const least = text.length + pending.length;
    const most = text.length + pending.length * pipeline.longest;
    const queued = pipeline.queue(work, coins, { least, most });
    work = queued.work;
    hold(work);
    draftSeconds += queued.draftSeconds;
    pending.push(reading(queued.result));
  }
  const [first, ...rest] = pending;
  const result = await first;
  const arrived = now();
  const { tokens, drafted } = pipeline.outcome(result);
  checkTokens(tokens, text.length);
  const mark = useOnce("decoder state");
  const next = { ...state, text: [...text, ...tokens], prefillSeconds: 0, mark, work };
  const seconds = {
    prefill: state.prefillSeconds,
    draft: draftSeconds,
    target: arrived - started - draftSeconds,
    verify: 0,
    host: now() - arrived,
  };
  return {
    state: { ...next, pending: rest },
    tokens,
    report: { drafted, accepted: tokens.length - 1, emitted: tokens.length, seconds },
    finish: isFull(pipeline, next) ? "context" : undefined,
  };
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
