/**
 * The main module of a plan: it calls the plan's kernels one after the other, so that JavaScript
 * enters WebAssembly once per run.
 *
 * It exports "run" (table, scratch, thread, counters). The table holds the address of every buffer
 * of the plan; scratch is room for all threads. Every thread of a team runs the same list: it takes
 * pieces of a command by the command's counter until there are none, and before the next stage it
 * waits until the pieces of this one are finished, and its tail, which the thread that finished the
 * last piece runs. The counters, one per shared call and then one gate per stage, start at 0.
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
import type { KernelCall, PlanStage } from "./plan_calls.ts";
import { finishFunction, GATE_PARAMETERS, waitFunction } from "./stage_gate.ts";

/** What a main module is generated from. */
export interface PlanModuleParts {
  readonly memory: MemoryKind;
  /** i32 parameters of each kernel, which is imported as "kernels" by its number. */
  readonly parameters: readonly number[];
  /** The calls, stage after stage. */
  readonly stages: readonly PlanStage[];
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

/** One call after the other, all units of each. */
function callAll(
  builder: FunctionBuilder,
  calls: readonly KernelCall[],
  { table, scratch }: { table: I32; scratch: I32 },
): void {
  for (const call of calls) {
    callKernel(builder, call, table, [scratch, i32.constant(0), i32.constant(call.units)]);
  }
}

/** The list for one thread alone. */
function serialMain({ stages }: PlanModuleParts): BuiltFunction {
  return buildFunction(PARAMETERS, (builder, [table, scratch]) => {
    stages.forEach(({ shared, tail }) =>
      callAll(builder, [...shared, ...tail], { table, scratch })
    );
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

/** The functions of a gate, by their numbers. */
interface GateFunctions {
  readonly finish: number;
  readonly wait: number;
}

/** Where a thread finds what it works with in one stage. */
interface StagePlaces {
  readonly table: I32;
  readonly scratch: I32;
  readonly done: Local<"i32">;
  readonly gate: Local<"i32">;
  /** The counter of a shared call. */
  counter(call: number): Address;
}

/** One stage of a team: its pieces, its tail where this thread ends the last piece, its gate. */
function runStage(
  builder: FunctionBuilder,
  { shared, tail }: PlanStage,
  threads: number,
  places: StagePlaces,
  { finish, wait }: GateFunctions,
): void {
  const { done, gate } = places;
  const units = shared.reduce((sum, call) => sum + call.units, 0);
  const [total, withTail] = [i32.constant(units), i32.constant(units + 1)];
  builder.assign(done, i32.constant(0));
  shared.forEach((call, i) => {
    takePieces(builder, call, pieceOf(call, threads), places.counter(i), places);
  });
  builder.when(done, () => {
    if (tail.length === 0) return callFunction(builder, finish, [gate, done, total]);
    const before = builder.local(atomicI32.add(at(gate), done));
    builder.when(i32.eq(i32.add(before, done), total), () => {
      callAll(builder, tail, places);
      callFunction(builder, finish, [gate, i32.constant(1), withTail]);
    });
  });
  callFunction(builder, wait, [gate, tail.length === 0 ? total : withTail]);
}

/** The list for a team. */
function teamMain(parts: PlanModuleParts, functions: GateFunctions): BuiltFunction {
  return buildFunction(PARAMETERS, (builder, [table, allScratch, thread, counters]) => {
    const own = i32.add(allScratch, i32.mul(thread, i32.constant(parts.scratchBytes)));
    const scratch = builder.local(own);
    const done = builder.declare("i32");
    const gate = builder.local(i32.add(counters, i32.constant(sharedCalls(parts) * WORD_BYTES)));
    let first = 0;
    for (const stage of parts.stages) {
      const from = first;
      const counter = (call: number) => at(counters, (from + call) * WORD_BYTES);
      const places = { table, scratch, done, gate, counter };
      runStage(builder, stage, parts.threads, places, functions);
      builder.advance(gate, WORD_BYTES);
      first += stage.shared.length;
    }
  });
}

function sharedCalls({ stages }: Pick<PlanModuleParts, "stages">): number {
  return stages.reduce((sum, { shared }) => sum + shared.length, 0);
}

/** Words of counters that one run of a plan needs. */
export function counterWords(stages: PlanModuleParts["stages"]): number {
  return sharedCalls({ stages }) + stages.length;
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
      { name: "run", parameters: PARAMETERS, ...teamMain(parts, { finish, wait: finish + 1 }) },
      { name: "finish", parameters: GATE_PARAMETERS.finish, ...finishFunction(parts.team) },
      { name: "wait", parameters: GATE_PARAMETERS.wait, ...waitFunction(parts.team) },
    ];
  return moduleBytes({ memory: parts.memory, imports, functions });
}
