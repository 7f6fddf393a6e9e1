/**
 * Reductions of few rows that the groups of the kernels behind them repeat, in place of a dispatch:
 * the sum of squares of a norm in front of products, or of the choice of rows for the head.
 *
 * Each group of a product reads the rows that the norm is of anyway, and for few rows the sums cost
 * it less than the device takes from one dispatch to the next.
 *
 * @module
 */
import { isInteger } from "../../../core/dtype.ts";
import { sizeOf } from "../../../core/shape.ts";
import type { Temporaries } from "./sink_maps.ts";
import {
  buffersOf,
  readsOf,
  type RepeatedReduction,
  replaced,
  type Source,
  type Step,
} from "./step.ts";
import { timelineOf } from "./timeline.ts";

/** Most rows whose sums are repeated: on an adapter in software more cost a product a fifth. */
const MOST_ROWS = 4;

/** Elements of what a step that may repeat reductions reads through maps; 0 for others. */
function repeatedElements({ kernel }: Step): number {
  if (kernel.family === "gather" && kernel.tableRows <= MOST_ROWS) {
    return kernel.tableRows * kernel.width;
  }
  const isReader = kernel.family === "quantize" ||
    (kernel.family === "packedMatmul" && !isInteger(kernel.weights));
  return isReader && kernel.m <= MOST_ROWS ? kernel.m * kernel.k : 0;
}

/** True where a source reads a buffer in a map, and nowhere by itself. */
function readsInMap(source: Source, buffer: number): boolean {
  return "map" in source && buffersOf(source).includes(buffer);
}

/** A reader with the reduction in place of its result; undefined where it has to be stored. */
function repeating(
  step: Step,
  buffer: number,
  reduction: RepeatedReduction,
): Step | undefined {
  const [rows, ...others] = step.sources;
  const behind = step.after?.sources.filter((_, i) => i !== step.after?.input) ?? [];
  if ([...others, ...behind].some((source) => buffersOf(source).includes(buffer))) return undefined;
  if (!readsInMap(rows, buffer)) return undefined;
  if (sizeOf(reduction.reduce.shape) > repeatedElements(step)) return undefined;
  return { ...step, sources: [replaced(rows, buffer, reduction), ...others] };
}

/** Puts reductions into the kernels that read them, where all of these can take them. */
export function repeatReductions(
  steps: readonly Step[],
  { elements, naming }: Temporaries,
  isBindable: (step: Step) => boolean,
): Step[] {
  const found: (Step | undefined)[] = [...steps];
  const timeline = timelineOf(steps, naming);
  steps.forEach((step, i) => {
    const { kernel, sources, after, target } = step;
    const count = elements(target);
    const places = timeline.readers(naming(target));
    if (kernel.family !== "reduce" || count === undefined || places.length === 0) return;
    const isPlain = sources.every((source) => "buffer" in source);
    if (!isPlain || timeline.writers(naming(target)).length !== 1) return;
    const last = places[places.length - 1];
    if (readsOf(step).some((buffer) => timeline.isWritten(naming(buffer), i, last))) return;
    const reduction = { reduce: kernel, sources, ...(after && { after }), count };
    const made = places.map((place) => {
      const reader = found[place];
      const one = reader && repeating(reader, target, reduction);
      return one && isBindable(one) ? one : undefined;
    });
    if (made.includes(undefined)) return;
    places.forEach((place, k) => found[place] = made[k]);
    found[i] = undefined;
  });
  return found.filter((step) => step !== undefined);
}
