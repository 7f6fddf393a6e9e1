/**
 * How threads wait for each other within a run, as two Wasm functions.
 *
 * A stage is a list of commands that need nothing of each other. Its gate is a word that counts
 * finished units; whoever needs the stage waits until all are. Nobody waits for a thread that has
 * taken no work, so a thread that another program keeps off its core delays nothing.
 *
 * @module
 */
import {
  buildFunction,
  type BuiltFunction,
  type FunctionBuilder,
} from "../../../kernels/wasm/assembler.ts";
import type { Expression } from "../../../kernels/wasm/assembler_code.ts";
import { at, atomicI32, drop, i32, trap } from "../../../kernels/wasm/assembler_ops.ts";
import { TEAM } from "./thread_control.ts";

/** Parameters of {@link finishFunction} and {@link waitFunction}. */
export const GATE_PARAMETERS = { finish: 3, wait: 2 } as const;

const WORD_BYTES = 4;
/** Looks before a thread sleeps: some tens of microseconds. */
const SPINS = 20_000;
/** A sleeping thread looks for failed threads so often. */
const SLEEP_NANOSECONDS = 100_000_000;
const EVERYONE = -1;

function teamWord(team: number, name: keyof typeof TEAM) {
  return at(i32.constant(team), TEAM[name] * WORD_BYTES);
}

/** (gate, units, total): counts finished units and wakes those who wait for the last. */
export function finishFunction(team: number): BuiltFunction {
  return buildFunction(GATE_PARAMETERS.finish, (builder, [gate, units, total]) => {
    const before = builder.local(atomicI32.add(at(gate), units));
    const isLast = i32.eq(i32.add(before, units), total);
    builder.when(i32.and(isLast, i32.ne(sleepers(team), i32.constant(0))), () => {
      builder.emit(drop(atomicI32.notify(at(gate), i32.constant(EVERYONE))));
    });
  });
}

function sleepers(team: number): Expression<"i32"> {
  return atomicI32.load(teamWord(team, "sleepers"));
}

function changeSleepers(builder: FunctionBuilder, team: number, by: number): void {
  builder.emit(drop(atomicI32.add(teamWord(team, "sleepers"), i32.constant(by))));
}

/** (gate, total): waits until the gate has counted all units; looks first, then sleeps. */
export function waitFunction(team: number): BuiltFunction {
  return buildFunction(GATE_PARAMETERS.wait, (builder, [gate, total]) => {
    const isOpen = i32.eq(atomicI32.load(at(gate)), total);
    const spins = builder.local(i32.constant(SPINS));
    const looks = i32.and(i32.eqz(isOpen), i32.ne(spins, i32.constant(0)));
    builder.loopWhile(looks, () => builder.advance(spins, -1));
    builder.when(i32.eqz(isOpen), () => {
      changeSleepers(builder, team, 1);
      const count = builder.local(atomicI32.load(at(gate)));
      builder.loopWhile(i32.ne(count, total), () => {
        builder.when(atomicI32.load(teamWord(team, "failed")), () => builder.emit(trap));
        builder.emit(drop(atomicI32.wait(at(gate), count, SLEEP_NANOSECONDS)));
        builder.assign(count, atomicI32.load(at(gate)));
      });
      changeSleepers(builder, team, -1);
    });
  });
}
