/**
 * Draft models to be compared on greedy texts: on the device where that has a queue of its own, else
 * on the host.
 *
 * @module
 */
import {
  type Decoder,
  draftModel,
  type DraftOnDevice,
  llamaModel,
} from "@outrider/outrider/decode";
import { type Contestant, contestant, readyContestant } from "@outrider/outrider/evaluate";
import { hasQueue, withDeviceDecoder } from "./device_decoding.ts";
import type { LoadedModel } from "./models.ts";

/** A draft model and how it is called. */
export interface NamedDraftModel {
  readonly name: string;
  /** Its size over the target's. */
  readonly sizeRatio: number;
  readonly parts: DraftOnDevice;
}

/** Who is to be compared. */
export interface GreedyContest {
  /** Where the decoders run. */
  readonly where: "device" | "host";
  /** Writes the plain texts; undefined on the host. */
  readonly plain: Contestant["write"] | undefined;
  readonly contestants: readonly Contestant[];
}

/** The decoders of drafts of one length. */
export async function greedyContest(
  target: LoadedModel,
  drafts: readonly NamedDraftModel[],
  gamma: number,
): Promise<GreedyContest> {
  if (!hasQueue(target.parts)) {
    const contestants = drafts.map(({ parts, ...names }) =>
      contestant(target.model, { ...names, draft: draftModel(llamaModel(parts)) })
    );
    return { where: "host", plain: undefined, contestants };
  }
  const how = {
    target: target.parts,
    gamma,
    sampling: { temperature: 0 },
    verify: "block",
  } as const;
  const named =
    ({ name, sizeRatio }: Omit<NamedDraftModel, "parts">) =>
    <State>(decoder: Decoder<State>): Contestant => readyContestant({ name, sizeRatio, decoder });
  const nothing = named({ name: "plain", sizeRatio: 0 });
  const { write: plain } = await withDeviceDecoder({ ...how, draft: undefined }, nothing);
  const contestants: Contestant[] = [];
  for (const draft of drafts) {
    contestants.push(await withDeviceDecoder({ ...how, draft: draft.parts }, named(draft)));
  }
  return { where: "device", plain, contestants };
}
