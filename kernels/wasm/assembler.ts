/**
 * The function builder: a kernel is written as ordinary TypeScript that emits typed Wasm.
 *
 * Statements are appended in the order of the calls; control flow takes callbacks. Loops are
 * bottom-tested, and {@link FunctionBuilder.stream} walks pointers so that addresses inside its body
 * are a pointer plus a constant.
 *
 * @module
 */
import {
  type Code,
  type Expression,
  expression,
  flatten,
  type Statement,
  statement,
  unsignedLeb,
  type ValueType,
} from "./assembler_code.ts";
import { i32 } from "./assembler_ops.ts";

/** A local variable; used as an expression it reads the variable. */
export interface Local<T extends ValueType> extends Expression<T> {
  /** Its number in the function. */
  readonly index: number;
}

/** A pointer that a stream moves: the variable and the bytes to add per step. */
export interface MovingPointer {
  /** The variable that moves. */
  readonly pointer: Local<"i32">;
  /** What is added per step. */
  readonly bytes: number;
}

/** A count known now, or one known when the kernel runs. */
export type Count = number | Expression<"i32">;

/** Emits the body of one Wasm function. */
export interface FunctionBuilder {
  /** Appends one statement. */
  emit(statement: Statement): void;
  /** A new local that starts as `value`. */
  local<T extends ValueType>(value: Expression<T>): Local<T>;
  /** A new local without a value yet. */
  declare<T extends ValueType>(type: T): Local<T>;
  /** Sets a local. */
  assign<T extends ValueType>(target: Local<T>, value: Expression<T>): void;
  /** Adds to an i32 local. */
  advance(target: Local<"i32">, by: Count): void;
  /** A vector constant, set once at the start of the function and kept in a local. */
  constant(value: Expression<"v128">): Expression<"v128">;
  /** Runs `then` where the condition is not 0, else `otherwise`. */
  when(condition: Expression<"i32">, then: () => void, otherwise?: () => void): void;
  /** Runs the body `count` times, possibly none; the body gets the index. */
  repeat(count: Count, body: (index: Expression<"i32">) => void): void;
  /** Runs the body while `condition` holds. */
  loopWhile(condition: Expression<"i32">, body: () => void): void;
  /**
   * Runs the body for `count` steps, `unroll` at a time; step j of a group finds its data j times
   * the pointer's bytes after the pointer. The pointers end `count` steps further.
   */
  stream(
    count: Count,
    pointers: readonly MovingPointer[],
    unroll: number,
    body: (step: number) => void,
  ): void;
}

/** A finished function body. */
export interface BuiltFunction {
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  /** The body. */
  readonly code: Code;
}

const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const BRANCH_IF = 0x0d;
const NO_RESULT = 0x40;

/** The expression of a count. */
export function countExpression(count: Count): Expression<"i32"> {
  return typeof count === "number" ? i32.constant(count) : count;
}

function assignment<T extends ValueType>(target: Local<T>, value: Expression<T>): Statement {
  return statement([value.code, 0x21, unsignedLeb(target.index)]);
}

/** Builds a function of `parameters` i32 values; `write` emits its body. */
export function buildFunction(
  parameters: number,
  write: (builder: FunctionBuilder, parameters: readonly Local<"i32">[]) => void,
): BuiltFunction {
  const locals: ValueType[] = [];
  const prologue: Code[] = [];
  const constants = new Map<string, Local<"v128">>();
  let current: Code[] = [];

  const localAt = <T extends ValueType>(type: T, index: number): Local<T> => ({
    ...expression(type, [0x20, unsignedLeb(index)]),
    index,
  });
  const nested = (body: () => void): Code => {
    const outer = current;
    current = [];
    body();
    const inner = current;
    current = outer;
    return inner;
  };

  const builder: FunctionBuilder = {
    emit: (part) => void current.push(part.code),
    declare(type) {
      locals.push(type);
      return localAt(type, parameters + locals.length - 1);
    },
    local(value) {
      const target = builder.declare(value.type);
      builder.assign(target, value);
      return target;
    },
    assign: (target, value) => builder.emit(assignment(target, value)),
    advance(target, by) {
      if (by !== 0) builder.assign(target, i32.add(target, countExpression(by)));
    },
    constant(value) {
      const key = flatten(value.code).join();
      const known = constants.get(key);
      if (known !== undefined) return known;
      const target = builder.declare("v128");
      prologue.push(assignment(target, value).code);
      constants.set(key, target);
      return target;
    },
    when(condition, then, otherwise) {
      const code: Code[] = [condition.code, IF, NO_RESULT, nested(then)];
      if (otherwise !== undefined) code.push(ELSE, nested(otherwise));
      current.push([...code, END]);
    },
    repeat(count, body) {
      if (count === 0) return;
      const index = builder.local(i32.constant(0));
      const limit = typeof count === "number" ? i32.constant(count) : builder.local(count);
      const loop = (): void => {
        const inner = nested(() => {
          body(index);
          builder.advance(index, 1);
        });
        current.push([LOOP, NO_RESULT, inner, i32.ltU(index, limit).code, BRANCH_IF, 0, END]);
      };
      if (typeof count === "number") loop();
      else builder.when(limit, loop);
    },
    loopWhile(condition, body) {
      const inner = nested(body);
      current.push([
        [BLOCK, NO_RESULT, i32.eqz(condition).code, BRANCH_IF, 0],
        [LOOP, NO_RESULT, inner, condition.code, BRANCH_IF, 0, END],
        END,
      ]);
    },
    stream(count, pointers, unroll, body) {
      const steps = (amount: number): void => {
        for (let step = 0; step < amount; step++) body(step);
        for (const { pointer, bytes } of pointers) builder.advance(pointer, amount * bytes);
      };
      if (typeof count === "number") {
        const groups = Math.floor(count / unroll);
        if (groups === 1) steps(unroll);
        else builder.repeat(groups, () => steps(unroll));
        if (count % unroll > 0) steps(count % unroll);
        return;
      }
      const total = builder.local(count);
      builder.repeat(i32.divU(total, i32.constant(unroll)), () => steps(unroll));
      if (unroll > 1) builder.repeat(i32.remU(total, i32.constant(unroll)), () => steps(1));
    },
  };

  write(builder, Array.from({ length: parameters }, (_, i) => localAt("i32", i)));
  return { locals, code: [prologue, current] };
}
