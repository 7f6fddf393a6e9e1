/**
 * The order of commands under donation: whoever reads a donated input runs before the command that
 * overwrites it.
 *
 * @module
 */
import type { MapSpec } from "./kernel_spec.ts";
import type { Command } from "./plan.ts";

/** An output buffer that shares the memory of a donated input's buffer. */
export interface Alias {
  readonly output: number;
  readonly input: number;
}

/** The buffer that a command writes: always its last argument. */
export function writtenBy(command: Command): number {
  return command.args[command.args.length - 1];
}

/** The buffers that a command reads (a scatter also reads what it writes). */
export function readBy(command: Command): readonly number[] {
  return command.spec.family === "scatter" ? command.args : command.args.slice(0, -1);
}

/** The list of a key, which is empty at first. */
function listOf(lists: Map<number, number[]>, key: number): number[] {
  const found = lists.get(key) ?? [];
  lists.set(key, found);
  return found;
}

/** For each command the earlier commands that it must follow. */
function dependencies(commands: readonly Command[]): Set<number>[] {
  const writers = new Map<number, number[]>();
  const readers = new Map<number, number[]>();
  return commands.map((command, i) => {
    const needs = new Set<number>();
    for (const buffer of readBy(command)) {
      for (const writer of writers.get(buffer) ?? []) needs.add(writer);
      listOf(readers, buffer).push(i);
    }
    const target = writtenBy(command);
    for (const writer of listOf(writers, target)) needs.add(writer);
    for (const reader of readers.get(target) ?? []) if (reader !== i) needs.add(reader);
    listOf(writers, target).push(i);
    return needs;
  });
}

/** Adds "readers of the input before writers of the output". */
function addAlias(commands: readonly Command[], needs: Set<number>[], alias: Alias): void {
  const writers = commands.flatMap((command, i) => writtenBy(command) === alias.output ? [i] : []);
  const readers = commands.flatMap((command, i) =>
    writtenBy(command) !== alias.output && readBy(command).includes(alias.input) ? [i] : []
  );
  for (const writer of writers) for (const reader of readers) needs[writer].add(reader);
}

/** The commands in dependency order, the earliest first; undefined where there is a cycle. */
function sorted(
  commands: readonly Command[],
  needs: readonly Set<number>[],
): Command[] | undefined {
  const waiting = needs.map((set) => set.size);
  const followers = commands.map((): number[] => []);
  needs.forEach((set, i) => set.forEach((earlier) => followers[earlier].push(i)));
  const ready = commands.flatMap((_, i) => waiting[i] === 0 ? [i] : []).reverse();
  const order: Command[] = [];
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    order.push(commands[i]);
    const freed = followers[i].filter((follower) => --waiting[follower] === 0);
    ready.push(...freed);
    ready.sort((a, b) => b - a);
  }
  return order.length === commands.length ? order : undefined;
}

/**
 * Orders commands so that every alias is safe; undefined where no order is.
 */
export function orderCommands(
  commands: readonly Command[],
  aliases: readonly Alias[],
): Command[] | undefined {
  if (aliases.length === 0) return [...commands];
  const needs = dependencies(commands);
  for (const alias of aliases) addAlias(commands, needs, alias);
  return sorted(commands, needs);
}

/** True where a map reads an input at the very places that it writes. */
export function samePlaces({ shape, inputs, output }: MapSpec, input: number): boolean {
  const access = inputs[input];
  return access.offset === output.offset &&
    shape.every((size, axis) => size <= 1 || access.strides[axis] === output.strides[axis]);
}

/** True where a command does nothing but copy a donated input onto the output in its place. */
export function copiesOntoItself({ spec, args }: Command, alias: Alias): boolean {
  return spec.family === "map" && spec.body.length === 1 && args.length === 2 &&
    args[0] === alias.input && args[1] === alias.output && samePlaces(spec, 0);
}

/** The commands without those that only copy a donated input onto the output in its place. */
export function withoutCopies(
  commands: readonly Command[],
  aliases: readonly Alias[],
): readonly Command[] {
  const byOutput = new Map(aliases.map((alias) => [alias.output, alias]));
  return commands.filter((command) => {
    const alias = byOutput.get(writtenBy(command));
    return alias === undefined || !copiesOntoItself(command, alias);
  });
}

/** True where some command would overwrite elements of the input before it has read them. */
export function clobbers(commands: readonly Command[], alias: Alias): boolean {
  const writers = commands.filter((command) => writtenBy(command) === alias.output);
  const inOneCommand = writers.some(({ spec, args }) =>
    args.slice(0, -1).some((buffer, i) =>
      buffer === alias.input && (spec.family !== "map" || !samePlaces(spec, i))
    )
  );
  return inOneCommand ||
    (writers.length > 1 && writers.some((w) => readBy(w).includes(alias.input)));
}
