/**
 * Decoders that stay on a device, where that has a queue of its own and the flags allow it.
 *
 * @module
 */
import {
  automaticLength,
  autoregressiveOnDevice,
  type Decoder,
  type DraftOnDevice,
  measureCostsOnDevice,
  type ModelOnDevice,
  type Sampling,
  speculativeOnDevice,
} from "@outrider/outrider/decode";

/** Steps in flight beyond the one that is read, so that the device never waits for the host. */
const AHEAD = 1;

/** A decoder of either kind. */
export interface DecoderUser<Result> {
  <State>(decoder: Decoder<State>): Result;
}

/** What decoding on a device is made of. */
export interface DeviceDecoding {
  readonly target: ModelOnDevice;
  /** Undefined for plain decoding. */
  readonly draft: DraftOnDevice | undefined;
  readonly gamma: number | "auto";
  readonly sampling: Sampling;
  readonly verify: "token" | "block";
}

/** Whether a device gains from decoding that does not come back to the host: a GPU does. */
export function hasQueue({ device }: Pick<ModelOnDevice, "device">): boolean {
  return device.name === "webgpu";
}

/** Uses the decoder on the device; `auto` measures what steps take first. */
export async function withDeviceDecoder<Result>(
  { target, draft, gamma, sampling, verify }: DeviceDecoding,
  use: DecoderUser<Result>,
): Promise<Result> {
  const ahead = AHEAD;
  const plain = () => use(autoregressiveOnDevice({ target, sampling, ahead }));
  if (draft === undefined || gamma === 0) return plain();
  const parts = { target, draft, sampling, verify, ahead };
  if (gamma !== "auto") return use(speculativeOnDevice({ ...parts, gamma }));
  const rule = automaticLength(await measureCostsOnDevice(parts));
  return rule.isPlain === true ? plain() : use(speculativeOnDevice({ ...parts, gamma: rule }));
}
