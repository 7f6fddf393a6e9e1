/**
 * The main module of a plan: it calls the plan's kernels one after the other, so that JavaScript
 * enters WebAssembly once per run.
 *
 * It exports "run" (table, scratch, thread, threads). The table holds the address of every buffer
 * of the plan, then, for a team, one counter per call that starts at 0; scratch is room for all
 * threads. Every thread runs the same list: it takes pieces of a command by the command's counter
 * until there are none, and meets the others before a command that needs what they made.
 *
 * @module
 */
import {
  buildFunction,
  type BuiltFunction,
  type FunctionBuilder,
  type Local,
} from "../../../kernels/wasm/assembler.ts";
import { type Expression, statement, unsignedLeb } from "../../../kernels/wasm/assembler_code.ts";
import { moduleBytes } from "../../../kernels/wasm/assembler_module.ts";
import { type Address, at, atomicI32, i32 } from "../../../kernels/wasm/assembler_ops.ts";
import { barrierFunction } from "./barrier.ts";
import type { MemoryKind } from "./memory.ts";
import type { KernelCall } from "./plan_calls.ts";

/** What a main module is generated from. */
export interface PlanModuleParts {
  readonly memory: MemoryKind;
  /** i32 parameters of each kernel, which is imported as "kernels" by its number. */
  readonly parameters: readonly number[];
  readonly calls: readonly KernelCall[];
  /** Buffers of the plan: the words of the table before the counters. */
  readonly buffers: number;
  /** Most threads that run the plan. */
  readonly threads: number;
  /** Address of the barrier's words. */
  readonly barrier: number;
  /** Bytes of scratch per thread. */
  readonly scratchBytes: number;
}

type I32 = Expression<"i32">;

const CALL = 0x10;
const WORD_BYTES = 4;
const PARAMETERS = 4;

function callFunction(builder: FunctionBuilder, index: number, values: readonly I32[]): void {
  builder.emit(statement([values.map((value) => value.code), CALL, unsignedLeb(index)]));
}

function kernelValues(call: KernelCall, table: I32, scratch: I32, lo: I32, hi: I32): I32[] {
  const args = call.args.map((buffer) => i32.load(at(table, buffer * WORD_BYTES)));
  return [...args, scratch, lo, hi];
}

/** The list for one thread alone. */
function serialMain(parts: PlanModuleParts): BuiltFunction {
  return buildFunction(PARAMETERS, (builder, [table, scratch]) => {
    for (const call of parts.calls) {
      const [lo, hi] = [i32.constant(0), i32.constant(call.units)];
      callFunction(builder, call.kernel, kernelValues(call, table, scratch, lo, hi));
    }
  });
}

/** Pieces that each thread should get of a large command, so that a held-up thread delays little. */
const PIECES_PER_THREAD = 4;

/** This thread's pieces of one command: whoever is free takes the next one. */
function sharedCall(
  builder: FunctionBuilder,
  call: KernelCall,
  counter: Address,
  [table, scratch, threads]: readonly Local<"i32">[],
): void {
  const { units, grain } = call;
  const piece = builder.local(i32.constant(units));
  if (units > grain) {
    const pieces = builder.local(i32.mul(threads, i32.constant(PIECES_PER_THREAD)));
    const even = i32.divU(i32.add(pieces, i32.constant(units - 1)), pieces);
    builder.assign(piece, even);
    const least = i32.constant(grain);
    builder.assign(piece, i32.select(i32.ltU(piece, least), least, piece));
  }
  const lo = builder.local(atomicI32.add(counter, piece));
  const limit = i32.constant(units);
  builder.loopWhile(i32.ltU(lo, limit), () => {
    const hi = builder.local(i32.add(lo, piece));
    builder.assign(hi, i32.select(i32.ltU(hi, limit), hi, limit));
    callFunction(builder, call.kernel, kernelValues(call, table, scratch, lo, hi));
    builder.assign(lo, atomicI32.add(counter, piece));
  });
}

/** The list for a team: `barrier` is the number of the barrier function. */
function teamMain(parts: PlanModuleParts, barrier: number): BuiltFunction {
  return buildFunction(PARAMETERS, (builder, [table, allScratch, thread, threads]) => {
    const own = i32.add(allScratch, i32.mul(thread, i32.constant(parts.scratchBytes)));
    const scratch = builder.local(own);
    const isTeam = builder.local(i32.gtU(threads, i32.constant(1)));
    const meet = (): void =>
      builder.when(isTeam, () => {
        callFunction(builder, barrier, [i32.constant(parts.barrier), threads]);
      });
    parts.calls.forEach((call, index) => {
      if (call.after === "barrier") meet();
      const counter = at(table, (parts.buffers + index) * WORD_BYTES);
      sharedCall(builder, call, counter, [table, scratch, threads]);
    });
    meet();
  });
}

/** The bytes of a main module. */
export function planModule(parts: PlanModuleParts): Uint8Array<ArrayBuffer> {
  const imports = parts.parameters.map((parameters, i) => ({
    module: "kernels",
    name: `${i}`,
    parameters,
  }));
  const barrier = imports.length + 1;
  const functions = parts.threads === 1
    ? [{ name: "run", parameters: PARAMETERS, ...serialMain(parts) }]
    : [
      { name: "run", parameters: PARAMETERS, ...teamMain(parts, barrier) },
      { name: "barrier", parameters: 2, ...barrierFunction() },
    ];
  return moduleBytes({ memory: parts.memory, imports, functions });
}
