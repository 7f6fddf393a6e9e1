/**
 * Decoders that stay on a device, where that has a queue of its own and the flags allow it.
 *
 * @module
 */
import {
  autoregressiveOnDevice,
  type Decoder,
  type DraftOnDevice,
  type LlamaModelOptions,
  type Sampling,
  speculativeOnDevice,
} from "@outrider/outrider/decode";

/** Tokens that `--gamma auto` drafts on a device, whose rows cost about the same, few or many. */
const AUTOMATIC_GAMMA = 3;
/** Steps in flight beyond the one that is read, so that the device never waits for the host. */
const AHEAD = 1;

/** A decoder of either kind. */
export interface DecoderUser<Result> {
  <State>(decoder: Decoder<State>): Result;
}

/** What decoding on a device is made of. */
export interface DeviceDecoding {
  readonly target: LlamaModelOptions;
  /** Undefined for plain decoding. */
  readonly draft: DraftOnDevice | undefined;
  readonly gamma: number | "auto";
  readonly sampling: Sampling;
  readonly verify: "token" | "block";
}

/** Whether a device gains from decoding that does not come back to the host: a GPU does. */
export function hasQueue({ device }: Pick<LlamaModelOptions, "device">): boolean {
  return device.name === "webgpu";
}

/** Uses the decoder on the device. */
export function withDeviceDecoder<Result>(
  { target, draft, gamma, sampling, verify }: DeviceDecoding,
  use: DecoderUser<Result>,
): Result {
  const ahead = AHEAD;
  if (draft === undefined || gamma === 0) {
    return use(autoregressiveOnDevice({ target, sampling, ahead }));
  }
  const drafted = gamma === "auto" ? AUTOMATIC_GAMMA : gamma;
  return use(speculativeOnDevice({ target, draft, gamma: drafted, sampling, verify, ahead }));
}
