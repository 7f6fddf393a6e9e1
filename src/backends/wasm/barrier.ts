/**
 * The barrier at which the threads of a run meet, as a Wasm function (barrier address, threads).
 *
 * The last thread to arrive opens it by moving the generation on; the others look at the
 * generation for a bounded time and then sleep, so that a machine with other work is not kept busy.
 *
 * @module
 */
import {
  buildFunction,
  type BuiltFunction,
  type FunctionBuilder,
  type Local,
} from "../../../kernels/wasm/assembler.ts";
import { at, atomicI32, drop, i32, trap } from "../../../kernels/wasm/assembler_ops.ts";
import { BARRIER } from "./thread_control.ts";

const WORD_BYTES = 4;
/** Looks before a thread sleeps: some tens of microseconds. */
const SPINS = 20_000;
/** A sleeping thread looks for failed threads so often. */
const SLEEP_NANOSECONDS = 1_000_000_000;

/** Waits until the generation is no longer `generation`. */
function waitForNext(
  builder: FunctionBuilder,
  barrier: Local<"i32">,
  generation: Local<"i32">,
): void {
  const word = (name: keyof typeof BARRIER) => at(barrier, BARRIER[name] * WORD_BYTES);
  const isClosed = i32.eq(atomicI32.load(word("generation")), generation);
  const spins = builder.local(i32.constant(SPINS));
  builder.loopWhile(i32.and(isClosed, i32.ne(spins, i32.constant(0))), () => {
    builder.advance(spins, -1);
  });
  builder.when(isClosed, () => {
    builder.emit(drop(atomicI32.add(word("sleepers"), i32.constant(1))));
    builder.loopWhile(isClosed, () => {
      builder.when(atomicI32.load(word("failed")), () => builder.emit(trap));
      builder.emit(drop(atomicI32.wait(word("generation"), generation, SLEEP_NANOSECONDS)));
    });
    builder.emit(drop(atomicI32.add(word("sleepers"), i32.constant(-1))));
  });
}

/** The body of the barrier function. */
export function barrierFunction(): BuiltFunction {
  return buildFunction(2, (builder, [barrier, threads]) => {
    const word = (name: keyof typeof BARRIER) => at(barrier, BARRIER[name] * WORD_BYTES);
    const generation = builder.local(atomicI32.load(word("generation")));
    const before = builder.local(atomicI32.add(word("arrived"), i32.constant(1)));
    builder.when(
      i32.eq(before, i32.sub(threads, i32.constant(1))),
      () => {
        builder.emit(atomicI32.store(word("arrived"), i32.constant(0)));
        builder.emit(drop(atomicI32.add(word("generation"), i32.constant(1))));
        builder.when(atomicI32.load(word("sleepers")), () => {
          builder.emit(drop(atomicI32.notify(word("generation"), threads)));
        });
      },
      () => waitForNext(builder, barrier, generation),
    );
  });
}
