/**
 * The main module of a plan: it calls the plan's kernels one after the other, so that JavaScript
 * enters WebAssembly once per run.
 *
 * It exports "run" (table, scratch, thread, counters). The table holds the address of every buffer
 * of the plan; scratch is room for all threads. Every thread of a team runs the same list: it takes
 * pieces of a command by the command's counter until there are none, and before the next segment it
 * waits until the pieces of this one are finished. The counters, one per call and then one gate per
 * segment, start at 0.
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
import type { MemoryKind } from "./memory.ts";
import type { KernelCall } from "./plan_calls.ts";
import { finishFunction, GATE_PARAMETERS, waitFunction } from "./segment_gate.ts";

/** What a main module is generated from. */
export interface PlanModuleParts {
  readonly memory: MemoryKind;
  /** i32 parameters of each kernel, which is imported as "kernels" by its number. */
  readonly parameters: readonly number[];
  /** Calls that need nothing of each other, segment after segment. */
  readonly segments: readonly (readonly KernelCall[])[];
  /** Most threads that run the plan. */
  readonly threads: number;
  /** Address of the words that the team shares. */
  readonly team: number;
  /** Bytes of scratch per thread. */
  readonly scratchBytes: number;
}

type I32 = Expression<"i32">;

const CALL = 0x10;
const WORD_BYTES = 4;
const PARAMETERS = 4;
/** Pieces that each thread should get of a large command, so that a held-up thread delays little. */
const PIECES_PER_THREAD = 16;

function callFunction(builder: FunctionBuilder, index: number, values: readonly I32[]): void {
  builder.emit(statement([values.map((value) => value.code), CALL, unsignedLeb(index)]));
}

function callKernel(
  builder: FunctionBuilder,
  { kernel, args }: KernelCall,
  table: I32,
  rest: readonly [scratch: I32, lo: I32, hi: I32],
): void {
  const buffers = args.map((buffer) => i32.load(at(table, buffer * WORD_BYTES)));
  callFunction(builder, kernel, [...buffers, ...rest]);
}

/** The list for one thread alone. */
function serialMain({ segments }: PlanModuleParts): BuiltFunction {
  return buildFunction(PARAMETERS, (builder, [table, scratch]) => {
    for (const call of segments.flat()) {
      callKernel(builder, call, table, [scratch, i32.constant(0), i32.constant(call.units)]);
    }
  });
}

/** Units of one piece of a command. */
function pieceOf({ units, grain }: KernelCall, threads: number): number {
  return Math.max(grain, Math.ceil(units / (threads * PIECES_PER_THREAD)));
}

/** Takes pieces of one command until there are none; adds the units done to `done`. */
function takePieces(
  builder: FunctionBuilder,
  call: KernelCall,
  piece: number,
  counter: Address,
  { table, scratch, done }: { table: I32; scratch: I32; done: Local<"i32"> },
): void {
  const take = atomicI32.add(counter, i32.constant(piece));
  const limit = i32.constant(call.units);
  const lo = builder.local(take);
  builder.loopWhile(i32.ltU(lo, limit), () => {
    const hi = builder.local(i32.add(lo, i32.constant(piece)));
    builder.assign(hi, i32.select(i32.ltU(hi, limit), hi, limit));
    callKernel(builder, call, table, [scratch, lo, hi]);
    builder.advance(done, i32.sub(hi, lo));
    builder.assign(lo, take);
  });
}

/** The list for a team; `finish` and `wait` are numbers of functions. */
function teamMain(parts: PlanModuleParts, finish: number, wait: number): BuiltFunction {
  return buildFunction(PARAMETERS, (builder, [table, allScratch, thread, counters]) => {
    const own = i32.add(allScratch, i32.mul(thread, i32.constant(parts.scratchBytes)));
    const scratch = builder.local(own);
    const done = builder.declare("i32");
    const calls = parts.segments.flat().length;
    let first = 0;
    parts.segments.forEach((segment, number) => {
      const total = i32.constant(segment.reduce((sum, { units }) => sum + units, 0));
      const gate = i32.add(counters, i32.constant((calls + number) * WORD_BYTES));
      builder.assign(done, i32.constant(0));
      segment.forEach((call, i) => {
        const counter = at(counters, (first + i) * WORD_BYTES);
        const piece = pieceOf(call, parts.threads);
        takePieces(builder, call, piece, counter, { table, scratch, done });
      });
      builder.when(done, () => callFunction(builder, finish, [gate, done, total]));
      callFunction(builder, wait, [gate, total]);
      first += segment.length;
    });
  });
}

/** Words of counters that one run of a plan needs. */
export function counterWords(segments: PlanModuleParts["segments"]): number {
  return segments.flat().length + segments.length;
}

/** The bytes of a main module. */
export function planModule(parts: PlanModuleParts): Uint8Array<ArrayBuffer> {
  const imports = parts.parameters.map((parameters, i) => ({
    module: "kernels",
    name: `${i}`,
    parameters,
  }));
  const finish = imports.length + 1;
  const functions = parts.threads === 1
    ? [{ name: "run", parameters: PARAMETERS, ...serialMain(parts) }]
    : [
      { name: "run", parameters: PARAMETERS, ...teamMain(parts, finish, finish + 1) },
      { name: "finish", parameters: GATE_PARAMETERS.finish, ...finishFunction(parts.team) },
      { name: "wait", parameters: GATE_PARAMETERS.wait, ...waitFunction(parts.team) },
    ];
  return moduleBytes({ memory: parts.memory, imports, functions });
}
