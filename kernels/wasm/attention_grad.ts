/**
 * attentionGrad: the gradient of attention for one operand, given dOut. With P = softmax(s),
 * dP_i = dOut . value_i and dS = P (dP - sum_j P_j dP_j):
 *   dQuery = scale sum_i dS_i key_i      dKey = scale sum_{r,h} dS query      dValue = sum P dOut
 *
 * P is computed again, row by row. For the query a unit is one row and key/value head; for key and
 * value, and for all three together, it is one key/value head, which takes the rows in order and adds
 * into the slots.
 *
 * @module
 */
import type { AttentionGradSpec } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import {
  type AttentionRow,
  dotProducts,
  eachEntryVector,
  eachSlot,
  entryBytes,
  exponentials,
  loadRow,
  reciprocal,
  slotBytes,
  weightedSum,
} from "./attention_rows.ts";
import { headVectors } from "./attention_storage.ts";
import { eachUnit, unitCost, USUAL_ENTRIES } from "./attention_units.ts";
import {
  assembleKernel,
  type Features,
  type Kernel,
  type KernelFrame,
  multiplyAdd,
} from "./kernel.ts";
import { combineLanes, LANE_BYTES, loadLanes, scatterLanes } from "./lanes.ts";
import { startWalk } from "./walk.ts";

const PROBABILITIES = 0;
const SCORE_GRADIENTS = 1;

/** One row and key/value head. */
interface RowAndHead {
  readonly row: AttentionRow;
  /** At the row's query head. */
  readonly query: Local<"i32">;
  /** At the key head of slot 0. */
  readonly key: Local<"i32">;
  /** At the value head of slot 0. */
  readonly value: Local<"i32">;
}

/** Array 0 becomes P; gives the address after its last entry. */
function probabilities(
  frame: KernelFrame,
  spec: AttentionGradSpec,
  unit: RowAndHead,
): Local<"i32"> {
  const { builder } = frame;
  const end = dotProducts(frame, spec, unit.row, {
    vector: unit.query,
    base: unit.key,
    array: PROBABILITIES,
    factor: spec.scale,
  });
  const factor = builder.local(reciprocal(frame, exponentials(frame, end).sum));
  eachEntryVector(frame, end, (entry) => {
    builder.emit(v128.store(at(entry), f32x4.mul(v128.load(at(entry)), factor)));
  });
  return end;
}

/** Array 1 becomes scale * dS, given P in array 0. */
function scoreGradients(
  frame: KernelFrame,
  spec: AttentionGradSpec,
  unit: RowAndHead,
  outGradient: Local<"i32">,
  end: Local<"i32">,
): void {
  const { builder, features } = frame;
  const arrayBytes = SCORE_GRADIENTS * entryBytes(spec);
  dotProducts(frame, spec, unit.row, {
    vector: outGradient,
    base: unit.value,
    array: SCORE_GRADIENTS,
    factor: 1,
  });
  const zero = builder.constant(f32x4.constant(0));
  builder.emit(v128.store(at(end, arrayBytes), zero));
  const mean = builder.local(zero);
  eachEntryVector(frame, end, (entry) => {
    const gradient = v128.load(at(entry, arrayBytes));
    builder.assign(mean, multiplyAdd(features, v128.load(at(entry)), gradient, mean));
  });
  builder.assign(mean, combineLanes(builder, mean, f32x4.add));
  const scale = builder.constant(f32x4.constant(spec.scale));
  eachEntryVector(frame, end, (entry) => {
    const difference = f32x4.sub(v128.load(at(entry, arrayBytes)), mean);
    const value = f32x4.mul(f32x4.mul(v128.load(at(entry)), difference), scale);
    builder.emit(v128.store(at(entry, arrayBytes), value));
  });
}

/** out[slot_i, :] += entries[array][i] * vector. */
function addToSlots(
  frame: KernelFrame,
  spec: AttentionGradSpec,
  row: AttentionRow,
  operands: { array: number; vector: Local<"i32">; out: Local<"i32"> },
): void {
  const { builder, features } = frame;
  const arrayBytes = operands.array * entryBytes(spec);
  const parts = headVectors(spec).map((part) => ({
    ...part,
    factor: builder.local(loadLanes(at(operands.vector, part.bytes), part.count)),
  }));
  // Vectors can be joined where all of them are loaded before the first is stored.
  const together = features.vectors === "joined" ? 4 : 1;
  eachSlot(frame, spec, row, operands.out, 1, (slot, entry) => {
    const weight = builder.local(v128.load32Splat(at(entry, arrayBytes)));
    for (let first = 0; first < parts.length; first += together) {
      const some = parts.slice(first, first + together);
      const sums = some.map(({ bytes, count, factor }) => {
        const old = loadLanes(at(slot, bytes), count);
        return builder.local(multiplyAdd(features, weight, factor, old));
      });
      some.forEach(({ bytes, count }, i) =>
        scatterLanes(builder, at(slot, bytes), LANE_BYTES, count, sums[i])
      );
    }
  });
}

/** The gradient for the query: a unit is one row and key/value head. */
function queryGradient(frame: KernelFrame, spec: AttentionGradSpec): void {
  const { builder, args } = frame;
  const headBytes = spec.headWidth * LANE_BYTES;
  const byHead = [args[0], ...args.slice(-2)].map((pointer) => ({ pointer, bytes: headBytes }));
  const arrays = { byHead, bySlot: args.slice(1, 3), seen: args.slice(3, -2) };
  eachUnit(frame, spec, arrays, ({ row, ...unit }) => {
    const [query, outGradient, out] = unit.byHead.map((pointer) => builder.local(pointer));
    const [key, value] = unit.bySlot;
    const one = builder.constant(f32x4.constant(1));
    builder.repeat(spec.heads / spec.keyValueHeads, () => {
      const here = { row, query, key, value };
      const end = probabilities(frame, spec, here);
      scoreGradients(frame, spec, here, outGradient, end);
      const sum = { base: key, array: SCORE_GRADIENTS, factor: one, out };
      weightedSum(frame, spec, row, sum);
      for (const pointer of [query, outGradient, out]) builder.advance(pointer, headBytes);
    });
  });
}

/** Sets one head of every slot to 0. */
function clearSlots(frame: KernelFrame, spec: AttentionGradSpec, out: Local<"i32">): void {
  const { builder } = frame;
  const zero = builder.constant(f32x4.constant(0));
  const slot = builder.local(out);
  builder.stream(spec.slots, [{ pointer: slot, bytes: slotBytes(spec) }], 1, () => {
    for (const { bytes, count } of headVectors(spec)) {
      scatterLanes(builder, at(slot, bytes), LANE_BYTES, count, zero);
    }
  });
}

/** Where the gradients of a unit go; none where one is not wanted. */
interface GradientTargets {
  readonly query: Local<"i32"> | undefined;
  readonly key: Local<"i32"> | undefined;
  readonly value: Local<"i32"> | undefined;
}

/** The targets in the output: three arrays one after another, or one. */
function gradientTargets(
  { builder, args }: KernelFrame,
  spec: AttentionGradSpec,
): GradientTargets {
  const output = args[args.length - 1];
  const queryBytes = spec.rows * spec.heads * spec.headWidth * LANE_BYTES;
  const offsets = spec.operand === "all"
    ? { query: 0, key: queryBytes, value: queryBytes + spec.slots * slotBytes(spec) }
    : { [spec.operand]: 0 };
  const target = (operand: "query" | "key" | "value"): Local<"i32"> | undefined => {
    const offset = offsets[operand];
    return offset === undefined ? undefined : builder.local(i32.add(output, i32.constant(offset)));
  };
  return { query: target("query"), key: target("key"), value: target("value") };
}

/** Gradients of which slots take part: a unit is one key/value head. */
function slotGradients(frame: KernelFrame, spec: AttentionGradSpec): void {
  const { builder, args, lo, hi } = frame;
  const headBytes = spec.headWidth * LANE_BYTES;
  const group = spec.heads / spec.keyValueHeads;
  const groupBytes = group * headBytes;
  const rowBytes = spec.heads * headBytes;
  const targets = gradientTargets(frame, spec);
  const ofSlots = [targets.key, targets.value].filter((target) => target !== undefined);
  const ofRows = targets.query === undefined ? [] : [targets.query];
  const moving = [args[0], args[1], args[2], args[args.length - 2]].map((arg) =>
    builder.local(arg)
  );
  const steps = [
    ...[groupBytes, headBytes, headBytes, groupBytes],
    ...ofSlots.map(() => headBytes),
    ...ofRows.map(() => groupBytes),
  ];
  const walk = startWalk(
    builder,
    [{ size: spec.keyValueHeads, steps }],
    [...moving, ...ofSlots, ...ofRows],
    lo,
  );
  const [firstQuery, key, value, firstGradient] = moving;
  const one = builder.constant(f32x4.constant(1));

  const row = (
    [query, outGradient, ...queryOut]: readonly Local<"i32">[],
    sees: AttentionRow,
  ): void =>
    builder.repeat(group, () => {
      const unit = { row: sees, query, key, value };
      const end = probabilities(frame, spec, unit);
      if (targets.value !== undefined) {
        const out = targets.value;
        addToSlots(frame, spec, sees, { array: PROBABILITIES, vector: outGradient, out });
      }
      if (targets.key !== undefined) {
        scoreGradients(frame, spec, unit, outGradient, end);
        addToSlots(frame, spec, sees, { array: SCORE_GRADIENTS, vector: query, out: targets.key });
      }
      for (const out of queryOut) {
        weightedSum(frame, spec, sees, { base: key, array: SCORE_GRADIENTS, factor: one, out });
      }
      for (const pointer of [query, outGradient, ...queryOut]) builder.advance(pointer, headBytes);
    });

  builder.loopWhile(i32.ltU(lo, hi), () => {
    ofSlots.forEach((target) => clearSlots(frame, spec, target));
    const rowPointers = [firstQuery, firstGradient, ...ofRows].map((first) => builder.local(first));
    const start = builder.local(args[3]);
    const end = builder.local(args[4]);
    const extra = builder.local(spec.extras > 0 ? args[5] : i32.constant(0));
    const pointers = [
      ...rowPointers.map((pointer) => ({ pointer, bytes: rowBytes - groupBytes })),
      { pointer: start, bytes: LANE_BYTES },
      { pointer: end, bytes: LANE_BYTES },
      { pointer: extra, bytes: spec.extras * LANE_BYTES },
    ];
    builder.stream(spec.rows, pointers, 1, () => {
      row(rowPointers, loadRow(frame, [start, end, extra]));
    });
    walk.next();
    builder.advance(lo, 1);
  });
}

/** Generates the kernel of one gradient of attention, or of all. */
export function attentionGradKernel(spec: AttentionGradSpec, features: Features): Kernel {
  const isQuery = spec.operand === "query";
  const units = isQuery ? spec.rows * spec.keyValueHeads : spec.keyValueHeads;
  const shape = {
    args: spec.extras > 0 ? 8 : 7,
    units: spec.headWidth === 0 ? 0 : units,
    unitCost: 2 * unitCost(spec, USUAL_ENTRIES) * (isQuery ? 1 : spec.rows),
    scratchBytes: 2 * entryBytes(spec),
  };
  return assembleKernel(
    features,
    shape,
    (frame) => isQuery ? queryGradient(frame, spec) : slotGradients(frame, spec),
  );
}
