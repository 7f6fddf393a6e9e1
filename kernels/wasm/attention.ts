/**
 * attention: out[r, h, :] = sum_i softmax(s)_i value[slot_i, g, :] with
 * s_i = scale * query[r, h, :] . key[slot_i, g, :] over the slots that row r sees.
 *
 * A unit is one row and one key/value head, with all query heads that read it.
 *
 * @module
 */
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import { i32 } from "./assembler_ops.ts";
import { entriesOfHead, headScores, headSums, MOST_HEADS } from "./attention_heads.ts";
import {
  type AttentionRow,
  type AttentionSizes,
  entryBytes,
  exponentials,
  loadRow,
  reciprocal,
} from "./attention_rows.ts";
import { assembleKernel, type Features, type Kernel, type KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES } from "./lanes.ts";
import { startWalk } from "./walk.ts";

/** Pointers of one row and key/value head; those of the row move over the heads that read it. */
export interface AttentionUnit {
  /** What the row sees. */
  readonly row: AttentionRow;
  /** At the row's query head. */
  readonly query: Local<"i32">;
  /** At the key head of slot 0. */
  readonly key: Local<"i32">;
  /** At the value head of slot 0. */
  readonly value: Local<"i32">;
}

/** Emits the loop over all units; `unit` gets one unit's pointers and further row pointers. */
export function eachRowAndHead(
  frame: KernelFrame,
  spec: AttentionSizes,
  rowShaped: readonly Local<"i32">[],
  unit: (unit: AttentionUnit, rowPointers: readonly Local<"i32">[]) => void,
): void {
  const { builder, args, lo, hi } = frame;
  const headBytes = spec.headWidth * LANE_BYTES;
  const groupBytes = spec.heads / spec.keyValueHeads * headBytes;
  const [query, key, value, start, end] = args.slice(0, 5).map((arg) => builder.local(arg));
  const extra = builder.local(spec.extras > 0 ? args[5] : i32.constant(0));
  const rowPointers = rowShaped.map((pointer) => builder.local(pointer));
  const rowBytes = spec.heads * headBytes;
  const moves = [rowBytes, 0, 0, LANE_BYTES, LANE_BYTES, spec.extras * LANE_BYTES];
  const headMoves = [groupBytes, headBytes, headBytes, 0, 0, 0];
  const axes = [
    { size: spec.rows, steps: [...moves, ...rowShaped.map(() => rowBytes)] },
    { size: spec.keyValueHeads, steps: [...headMoves, ...rowShaped.map(() => groupBytes)] },
  ];
  const walk = startWalk(builder, axes, [query, key, value, start, end, extra, ...rowPointers], lo);
  builder.loopWhile(i32.ltU(lo, hi), () => {
    const row = loadRow(frame, start, end, extra);
    unit({ row, query, key, value }, rowPointers);
    walk.next();
    builder.advance(lo, 1);
  });
}

/** Arithmetic of one row and head, for the grain. */
export function rowCost(spec: AttentionSizes): number {
  const group = spec.heads / spec.keyValueHeads;
  return group * Math.min(spec.slots + spec.extras, 64) * (spec.headWidth / LANES * 2 + 8);
}

/** Generates the kernel of attention. */
export function attentionKernel(spec: AttentionSpec, features: Features): Kernel {
  const headBytes = spec.headWidth * LANE_BYTES;
  const inputs = spec.extras > 0 ? 6 : 5;
  const group = spec.heads / spec.keyValueHeads;
  const shape = {
    args: inputs + 1,
    units: spec.headWidth === 0 ? 0 : spec.rows * spec.keyValueHeads,
    unitCost: rowCost(spec),
    scratchBytes: Math.min(group, MOST_HEADS) * entryBytes(spec),
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args } = frame;
    eachRowAndHead(frame, spec, [args[inputs]], ({ row, key, value, ...unit }, [output]) => {
      const query = builder.local(unit.query);
      const out = builder.local(output);
      for (let first = 0; first < group; first += MOST_HEADS) {
        const heads = Math.min(MOST_HEADS, group - first);
        const end = headScores(frame, spec, row, { query, key, heads });
        const factors = Array.from({ length: heads }, (_, head) => {
          const entries = entriesOfHead(frame, spec, head);
          const last = builder.local(i32.add(end, i32.constant(head * entryBytes(spec))));
          return builder.local(reciprocal(frame, exponentials(entries, last)));
        });
        headSums(frame, spec, row, { value, factors, out });
        builder.advance(query, heads * headBytes);
        builder.advance(out, heads * headBytes);
      }
    });
  });
}
