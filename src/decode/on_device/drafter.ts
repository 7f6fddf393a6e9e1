/**
 * A draft model on a device: it reads texts, falls behind and catches up, and drafts blocks.
 *
 * @module
 */
import type { TrimmedVocabulary } from "../../nn/trimmed_vocabulary.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import type { TokenId } from "../language_model.ts";
import { compileDraftPasses, type Drafted, type DraftPassOptions } from "./passes.ts";
import type { Place } from "./place.ts";
import type { ModelOnDevice, Sequence } from "./model.ts";
import type { SamplingNumbers } from "./sampling.ts";
import { type Hold, type Sequences, sequencesOf } from "./sequence.ts";

/** A draft model on a device. */
export interface DraftOnDevice extends ModelOnDevice {
  /** Which of the target's tokens its classes are, for a model of a trimmed vocabulary. */
  readonly vocabulary?: TrimmedVocabulary;
}

/** What a block is drafted from. */
export interface DraftRequestOnDevice {
  /** Where the text stands. */
  readonly place: Place<DeviceArray>;
  /** What shapes distributions. */
  readonly sampling: SamplingNumbers<DeviceArray>;
  /** The coins of the block. */
  readonly coins: DeviceArray;
  /** Tokens to draft. */
  readonly gamma: number;
  /** How long the text is at most. */
  readonly most: number;
}

/** A drafter of the target's tokens; texts are those of the target. */
export interface Drafter extends Pick<Sequences, "open" | "read" | "close"> {
  /** Rows that fit its cache. */
  readonly contextLength: number;
  /** Drafts a block, one pass for each token. */
  draft(
    sequence: Sequence,
    request: DraftRequestOnDevice,
    hold: Hold,
  ): { readonly sequence: Sequence; readonly drafted: readonly Drafted<DeviceArray>[] };
}

/** The drafter of a model. */
export function drafterOf(
  draft: DraftOnDevice,
  options: Pick<DraftPassOptions, "law" | "classes">,
): Drafter {
  const { device, config, parameters, vocabulary } = draft;
  const sequences = sequencesOf(draft);
  const passes = compileDraftPasses({ ...options, device, config });
  const classesOf = (tokens: readonly TokenId[]): readonly number[] =>
    vocabulary ? tokens.map(vocabulary.classOf) : tokens;
  return {
    contextLength: config.contextLength,
    open: (tokens) => sequences.open(classesOf(tokens)),
    read: (sequence, tokens, from, hold) => {
      const grown = sequences.withRoom(sequence, from + tokens.length, hold);
      return sequences.read(grown, classesOf(tokens), from, hold);
    },
    draft: (sequence, { place, sampling, coins, gamma, most }, hold) => {
      const grown = sequences.withRoom(sequence, most + gamma, hold);
      let made = passes.first(parameters, grown.layers, place, coins, sampling);
      hold(made);
      const drafted = [made.drafted];
      for (let i = 1; i < gamma; i++) {
        const { drawn, count } = made.drafted;
        made = passes.next(parameters, made.cache, place.length, { drawn, count }, coins, sampling);
        hold(made);
        drafted.push(made.drafted);
      }
      return { sequence: { ...grown, layers: made.cache }, drafted };
    },
    close: (sequence, tokens) => sequences.close(sequence, classesOf(tokens)),
  };
}
