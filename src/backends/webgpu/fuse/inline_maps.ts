/**
 * Maps computed where they are read, in place of being stored: a norm in front of products, a
 * rotation in front of attention or a cache.
 *
 * @module
 */
import { isInteger, isPacked } from "../../../core/dtype.ts";
import { sizeOf } from "../../../core/shape.ts";
import type { MapSpec } from "../../../plan/kernel_spec.ts";
import { orderedBy } from "./map_order.ts";
import type { Temporaries } from "./sink_maps.ts";
import { buffersOf, readsOf, replaced, type Source, type Step } from "./step.ts";
import { timelineOf } from "./timeline.ts";

/** How often a reader evaluates each element of an argument. */
type Reading = "once" | "again" | "never";

/** A map that only moves elements costs as little where it is read as a buffer does. */
function isView({ body }: MapSpec): boolean {
  return body.length === 1;
}

/** True where the reads of a map's or reduction's argument are at most as many as its elements. */
function readsOnce(step: Step, argument: number, elements: number): boolean {
  const { kernel } = step;
  if (kernel.family !== "map" && kernel.family !== "reduce") return false;
  const of = (source: Source) => JSON.stringify(source);
  const same = step.sources.filter((source) => of(source) === of(step.sources[argument]));
  return sizeOf(kernel.shape) * same.length <= elements;
}

function readingOf(step: Step, argument: number, elements: number): Reading {
  const { kernel } = step;
  switch (kernel.family) {
    case "map":
    case "reduce":
      return readsOnce(step, argument, elements) ? "once" : "never";
    case "quantize":
      return "once";
    case "packedMatmul":
      return argument === 0 && !isInteger(kernel.weights) ? "again" : "never";
    case "scatter":
      return argument === 0 ? "again" : "once";
    case "gather":
      return argument === 1 ? "again" : isPacked(kernel.table) ? "never" : "once";
    case "attention":
    case "attentionParts":
      return argument === 0 ? "once" : argument >= 3 ? "again" : "never";
    case "attentionJoin":
      return argument >= 1 ? "again" : "never";
    default:
      return "never";
  }
}

/** Instructions of a map that may be computed more than once for an element. */
const MOST_INSTRUCTIONS = 16;

/** Instructions that take many operations each. */
const COSTLY: ReadonlySet<string> = new Set(["exp", "log", "sin", "cos", "tanh"]);

function instructionsOf(source: Source): MapSpec["body"] {
  if ("buffer" in source) return [];
  const own = "map" in source ? source.map.body : [];
  return [...own, ...source.sources.flatMap((one) => instructionsOf(one))];
}

/** True where several readers may each compute a map for themselves. */
function isCheap(source: Source): boolean {
  const all = instructionsOf(source);
  return all.length <= MOST_INSTRUCTIONS && !all.some(({ op }) => COSTLY.has(op));
}

function isWorth(map: MapSpec, step: Step, argument: number, elements: number): boolean {
  const reading = readingOf(step, argument, elements);
  if (reading !== "again") return reading === "once";
  if (step.kernel.family === "packedMatmul") return map.body.length <= MOST_INSTRUCTIONS;
  return isView(map);
}

/** A reader with the map in place of its result; undefined where it has to be stored. */
function inlined(
  step: Step,
  buffer: number,
  map: MapSpec,
  sources: readonly Source[],
  elements: number,
): Step | undefined {
  const reads = (source: Source) => buffersOf(source).includes(buffer);
  if (step.after?.sources.some((source, i) => i !== step.after?.input && reads(source))) {
    return undefined;
  }
  const isFit = step.sources.every((source, i) =>
    !reads(source) || ("buffer" in source && isWorth(map, step, i, elements))
  );
  if (!isFit || step.target === buffer) return undefined;
  return { ...step, sources: step.sources.map((one) => replaced(one, buffer, { map, sources })) };
}

/** Puts maps into the kernels that read them, where all of these can take them. */
export function inlineMaps(
  steps: readonly Step[],
  { elements, naming }: Temporaries,
  isBindable: (step: Step) => boolean,
): Step[] {
  const found: (Step | undefined)[] = [...steps];
  const timeline = timelineOf(steps, naming);
  // A map that went into another is read where that one is.
  const readers = new Map<string, number[]>();
  const readersOf = (name: string) => readers.get(name) ?? timeline.readers(name);
  steps.forEach((_, i) => {
    const step = found[i];
    if (step?.kernel.family !== "map" || step.after !== undefined) return;
    const count = elements(step.target);
    const name = naming(step.target);
    const places = readersOf(name);
    if (count === undefined || places.length === 0 || timeline.writers(name).length !== 1) return;
    const map = orderedBy(step.kernel, step.kernel.output, count);
    const last = places[places.length - 1];
    const isKept = readsOf(step).every((buffer) => !timeline.isWritten(naming(buffer), i, last));
    if (map === undefined || !isKept) return;
    if (places.length > 1 && !isCheap({ map, sources: step.sources })) return;
    const made = places.map((place) => {
      const reader = found[place];
      const one = reader && inlined(reader, step.target, map, step.sources, count);
      return one && isBindable(one) ? one : undefined;
    });
    if (made.includes(undefined)) return;
    places.forEach((place, k) => found[place] = made[k]);
    found[i] = undefined;
    for (const buffer of readsOf(step)) {
      const others = readersOf(naming(buffer)).filter((place) => place !== i);
      const all = [...new Set([...others, ...places])].sort((a, b) => a - b);
      readers.set(naming(buffer), all);
    }
  });
  return found.filter((step) => step !== undefined);
}
