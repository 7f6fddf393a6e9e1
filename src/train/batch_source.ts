/**
 * Where a run's batches come from: an init/step pair whose state is a small JSON value, so that a
 * checkpoint holds it and a run that goes on need not go through its data again.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import type { Batches, BatchPosition, PackedBatch } from "../data/packing.ts";
import type { RowBatch } from "./row_batch.ts";

/** Where the next batch begins in each stream of data. */
export type Positions = readonly BatchPosition[];

/** Batches one after another. */
export interface BatchSource<Batch = RowBatch<HostTensor>> {
  /** The positions before the first batch. */
  readonly init: () => Positions;
  /** The batch at some positions, and the positions after it. */
  readonly step: (
    positions: Positions,
  ) => { readonly batch: Batch; readonly positions: Positions };
}

/**
 * Batches that are made of the next packed rows of one stream or of several.
 *
 * @param streams packed rows, such as those of a distillation set and of text that is mixed in
 * @param join a batch out of the rows of every stream, in their order
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { batches, responseDocument } from "@outrider/outrider/data";
 * import { packedSource, textBatch } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const corpus = { length: 8, document: (i: number) => responseDocument([i], [i + 1]) };
 * const packed = batches(corpus, { key: keyOf(1), rowsPerBatch: 3, sequenceLength: 2 });
 * const source = packedSource([packed], ([rows]) => textBatch(rows));
 * const { positions } = source.step(source.init());
 * assertEquals(positions, [{ epoch: 0, index: 3, offset: 0 }]);
 * ```
 */
export function packedSource<Batch>(
  streams: readonly Batches[],
  join: (rows: readonly PackedBatch[]) => Batch,
): BatchSource<Batch> {
  return {
    init: () => streams.map((stream) => stream.init()),
    step: (positions) => {
      if (positions.length !== streams.length) {
        throw new OutriderError(
          `positions in ${streams.length} streams of data`,
          `${positions.length}`,
          "go on with the data of the first run",
        );
      }
      const made = streams.map((stream, i) => stream.step(positions[i]));
      return {
        batch: join(made.map(({ batch }) => batch)),
        positions: made.map(({ position }) => position),
      };
    },
  };
}

/**
 * Batches that are functions of the step alone, counted from 0.
 *
 * @example
 * ```ts
 * import { batchOfStep, textBatch } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = (step: number) => ({
 *   tokens: Int32Array.of(step, step + 1),
 *   targets: Int32Array.of(step + 1, -1),
 *   lossMask: Float32Array.of(1, 0),
 *   starts: Int32Array.of(0, 0),
 *   positions: Int32Array.of(0, 1),
 * });
 * const source = batchOfStep((step) => textBatch(rows(step)));
 * const second = source.step(source.step(source.init()).positions);
 * assertEquals(second.batch.targets.shape, [2]);
 * assertEquals(second.positions[0].index, 2);
 * ```
 */
export function batchOfStep<Batch>(batch: (step: number) => Batch): BatchSource<Batch> {
  return {
    init: () => [{ epoch: 0, index: 0, offset: 0 }],
    step: ([{ epoch, index, offset }]) => ({
      batch: batch(index),
      positions: [{ epoch, index: index + 1, offset }],
    }),
  };
}
