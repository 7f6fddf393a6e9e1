/**
 * Packing as a plan of one command, which all threads run together.
 *
 * @module
 */
import type { PackedType } from "../../core/dtype.ts";
import { OutriderError } from "../../core/errors.ts";
import { BLOCK_COLUMNS, packedBytes, PANEL_ROWS } from "../../core/packed.ts";
import {
  PACK_PART,
  type PackOutcome,
  STORED_BYTES,
  type StoredFormat,
  type StoredRows,
} from "../../core/stored_rows.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Allocation, Executable } from "../../runtime/backend.ts";
import { type ExecutionContext, prepareExecutable } from "./executable.ts";

/** From a part, which is input and output, to the matrix. */
function packPlan(stored: StoredFormat, weights: PackedType): Plan {
  const port = { shape: [], type: "i32", bytes: 0 } as const;
  return {
    inputs: [],
    outputs: [],
    inputPorts: [port],
    outputPorts: [{ ...port, type: weights }],
    donations: [-1],
    buffers: [{ home: "input", index: 0 }, { home: "output", index: 0 }],
    slots: [],
    commands: [{ spec: { family: "pack", stored, weights }, args: [0, 1] }],
    hash: `pack ${stored} as ${weights}`,
  };
}

function checkLength({ format, rows, columns, bytes }: StoredRows): void {
  const expected = rows * (columns / BLOCK_COLUMNS) * STORED_BYTES[format];
  if (expected === bytes.length && rows % PANEL_ROWS === 0) return;
  const what = `${rows} rows in whole panels of ${PANEL_ROWS}, of ${expected} bytes`;
  throw new OutriderError(what, `${bytes.length} bytes`, "check the rows and columns");
}

/** Packs stored rows into a packed matrix; plans are made when they are first needed. */
export type Packer = (
  allocation: Allocation,
  type: PackedType,
  rows: StoredRows,
) => PackOutcome;

/** A packer that works with all threads of a team. */
export function createPacker(context: ExecutionContext): Packer {
  const { linear } = context;
  const executables = new Map<string, Executable>();
  const executableOf = (stored: StoredFormat, weights: PackedType): Executable => {
    const plan = packPlan(stored, weights);
    const known = executables.get(plan.hash);
    if (known !== undefined) return known;
    const made = prepareExecutable(plan, context);
    executables.set(plan.hash, made);
    return made;
  };
  return (allocation, type, stored) => {
    const { format, first, rows, columns, bytes } = stored;
    checkLength(stored);
    const [end, capacity] = [first + rows, linear.allocator.capacity(allocation)];
    if (packedBytes(type, end, columns) > capacity) {
      const cure = "check the matrix's rows";
      throw new OutriderError(`rows within ${capacity} packed bytes`, `rows to ${end}`, cure);
    }
    const executable = executableOf(format, type);
    const part = linear.allocator.allocate(PACK_PART.rows + bytes.length);
    const word = (place: number) => linear.words(part + place, 1);
    try {
      linear.bytes(part + PACK_PART.rows, bytes.length).set(bytes);
      word(PACK_PART.panels)[0] = rows / PANEL_ROWS;
      word(PACK_PART.blocks)[0] = columns / BLOCK_COLUMNS;
      word(PACK_PART.firstPanel)[0] = first / PANEL_ROWS;
      word(PACK_PART.unfit)[0] = 0;
      executable.run([part], [allocation]);
      return word(PACK_PART.unfit)[0] === 0 ? "packed" : "unfit";
    } finally {
      linear.allocator.release(part);
    }
  };
}
