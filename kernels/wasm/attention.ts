/**
 * attention: out[r, h, :] = sum_i softmax(s)_i value[slot_i, g, :] with
 * s_i = scale * query[r, h, :] . key[slot_i, g, :] over the slots that row r sees.
 *
 * A unit is one row and one key/value head, with all query heads that read it; it takes the parts of
 * the row's entries in turn.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import { i32 } from "./assembler_ops.ts";
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
import { eachUnit, unitCost, USUAL_ENTRIES } from "./attention_units.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { LANE_BYTES } from "./lanes.ts";

/** Generates the kernel of attention. */
export function attentionKernel(spec: AttentionSpec, features: Features): Kernel {
  const headBytes = spec.headWidth * LANE_BYTES;
  const inputs = spec.extras > 0 ? 6 : 5;
  const group = spec.heads / spec.keyValueHeads;
  const shape = {
    args: inputs + 1,
    units: spec.headWidth === 0 ? 0 : spec.rows * spec.keyValueHeads,
    unitCost: unitCost(spec, USUAL_ENTRIES),
    scratchBytes: scratchBytes(spec, Math.min(group, MOST_HEADS)),
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args } = frame;
    const byHead = [args[0], args[inputs]].map((pointer) => ({ pointer, bytes: headBytes }));
    const arrays = { byHead, bySlot: args.slice(1, 3), seen: args.slice(3, inputs) };
    eachUnit(frame, spec, arrays, ({ row, ...unit }) => {
      const [query, output] = unit.byHead.map((pointer) => builder.local(pointer));
      const [key, value] = unit.bySlot;
      eachHeads(group, (heads) => {
        const outs = Array.from(
          { length: heads },
          (_, head) => builder.local(i32.add(output, i32.constant(head * headBytes))),
        );
        const seen = outs.map(() => emptySoftmax(builder));
        for (const out of outs) clearHead(frame, spec, out);
        const first = builder.local(i32.constant(0));
        builder.loopWhile(i32.ltS(first, mostEntries(spec, row)), () => {
          const part = partOfRow(frame, spec, row, first);
          const softmax = partSoftmax(frame, spec, part, { query, key, heads });
          const factors = softmax.map((found, head) => joinSoftmax(frame, seen[head], found));
          headSums(frame, spec, part, { value, heads }, (head, places, sums) => {
            joinVectors(frame, factors[head], outs[head], places, sums);
          });
          builder.advance(first, ATTENTION_PART);
        });
        outs.forEach((out, head) => divideBySum(frame, spec, out, seen[head]));
        builder.advance(query, heads * headBytes);
        builder.advance(output, heads * headBytes);
      });
    });
  });
}
