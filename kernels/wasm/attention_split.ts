/**
 * Attention in two kernels: one gives a record per part of a row's entries, one joins the records.
 * What few rows over many slots share out among threads.
 *
 * @module
 */
import {
  ATTENTION_PART,
  attentionParts,
  attentionRecord,
} from "../../src/core/attention_layout.ts";
import type { AttentionJoinSpec, AttentionPartsSpec } from "../../src/plan/kernel_spec.ts";
import { at, i32, v128 } from "./assembler_ops.ts";
import { headSums, MOST_HEADS } from "./attention_heads.ts";
import { scratchBytes } from "./attention_scores.ts";
import {
  clearHead,
  divideBySum,
  eachHeads,
  emptySoftmax,
  joinSoftmax,
  joinVectors,
  mostEntries,
  partOfRow,
  partSoftmax,
} from "./attention_parts.ts";
import { type AttentionSizes, headVectors } from "./attention_storage.ts";
import { eachUnit, unitCost } from "./attention_units.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { LANE_BYTES, LANES, VECTOR_BYTES } from "./lanes.ts";

/** A record: the sums of a head's vectors, then the largest score and the sum of the softmax. */
function recordOf(spec: AttentionSizes): { bytes: number; largest: number; sum: number } {
  const bytes = attentionRecord(spec) * LANE_BYTES;
  return { bytes, largest: bytes - 2 * VECTOR_BYTES, sum: bytes - VECTOR_BYTES };
}

/** Generates the kernel of attention's parts: a unit is one part, row and key/value head. */
export function attentionPartsKernel(spec: AttentionPartsSpec, features: Features): Kernel {
  const inputs = spec.extras > 0 ? 6 : 5;
  const headBytes = spec.headWidth * LANE_BYTES;
  const record = recordOf(spec);
  const group = spec.heads / spec.keyValueHeads;
  const shape = {
    args: inputs + 1,
    units: attentionParts(spec) * spec.rows * spec.keyValueHeads,
    unitCost: unitCost(spec, ATTENTION_PART),
    scratchBytes: scratchBytes(spec, Math.min(group, MOST_HEADS)),
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args } = frame;
    const arrays = {
      byHead: [{ pointer: args[0], bytes: headBytes }],
      byPart: [{ pointer: args[inputs], bytes: record.bytes }],
      bySlot: args.slice(1, 3),
      seen: args.slice(3, inputs),
    };
    eachUnit(frame, spec, arrays, ({ row, first, ...unit }) => {
      const [key, value] = unit.bySlot;
      builder.when(i32.ltS(first, mostEntries(spec, row)), () => {
        const part = partOfRow(frame, spec, row, first);
        const query = builder.local(unit.byHead[0]);
        const out = builder.local(unit.byPart[0]);
        eachHeads(group, (heads) => {
          const seen = partSoftmax(frame, spec, part, { query, key, heads });
          seen.forEach(({ largest, sum }, head) => {
            const place = head * record.bytes;
            builder.emit(v128.store(at(out, place + record.largest), largest));
            builder.emit(v128.store(at(out, place + record.sum), sum));
          });
          headSums(frame, spec, part, { value, heads }, (head, places, sums) => {
            places.forEach(({ bytes }, i) =>
              builder.emit(v128.store(at(out, head * record.bytes + bytes), sums[i]))
            );
          });
          builder.advance(query, heads * headBytes);
          builder.advance(out, heads * record.bytes);
        });
      });
    });
  });
}

/** Generates the kernel that joins attention's parts: a unit is one row and key/value head. */
export function attentionJoinKernel(spec: AttentionJoinSpec, features: Features): Kernel {
  const inputs = spec.extras > 0 ? 4 : 3;
  const headBytes = spec.headWidth * LANE_BYTES;
  const record = recordOf(spec);
  const group = spec.heads / spec.keyValueHeads;
  const shape = {
    args: inputs + 1,
    units: spec.rows * spec.keyValueHeads,
    unitCost: group * attentionParts(spec) * (spec.headWidth / LANES * 4 + 64),
    scratchBytes: 0,
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args } = frame;
    const byHead = [
      { pointer: args[0], bytes: record.bytes },
      { pointer: args[inputs], bytes: headBytes },
    ];
    const toNextPart = spec.rows * spec.heads * record.bytes;
    eachUnit(frame, spec, { byHead, bySlot: [], seen: args.slice(1, inputs) }, (unit) => {
      const [firstRecord, out] = unit.byHead.map((pointer) => builder.local(pointer));
      builder.repeat(group, () => {
        clearHead(frame, spec, out);
        const seen = emptySoftmax(builder);
        const here = builder.local(firstRecord);
        const first = builder.local(i32.constant(0));
        builder.loopWhile(i32.ltS(first, mostEntries(spec, unit.row)), () => {
          const factors = joinSoftmax(frame, seen, {
            largest: builder.local(v128.load(at(here, record.largest))),
            sum: builder.local(v128.load(at(here, record.sum))),
          });
          const places = headVectors(spec);
          const sums = places.map(({ bytes }) => builder.local(v128.load(at(here, bytes))));
          joinVectors(frame, factors, out, places, sums);
          builder.advance(here, toNextPart);
          builder.advance(first, ATTENTION_PART);
        });
        divideBySum(frame, spec, out, seen);
        builder.advance(firstRecord, record.bytes);
        builder.advance(out, headBytes);
      });
    });
  });
}
