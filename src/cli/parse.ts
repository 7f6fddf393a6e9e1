/**
 * Arguments to typed options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { OutriderError } from "../core/errors.ts";
import type { Flags } from "./flags.ts";
import { nearest } from "./nearest.ts";

/** What the arguments ask for. */
export type Parsed<Options> =
  /** To run with these options; `rest` are the arguments that belong to no flag. */
  | { readonly kind: "run"; readonly options: Options; readonly rest: readonly string[] }
  /** To print the help. */
  | { readonly kind: "help" }
  /** Something that does not exist; commands print the message and exit with code 2. */
  | { readonly kind: "unknown"; readonly message: string };

/** `maxTokens` to `max-tokens`. */
export function flagName(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Whether an argument can only be meant as a flag: two dashes and a name, not a sentence. */
function looksLikeFlag(argument: string): boolean {
  return /^--[A-Za-z][^\s=]*(=|$)/.test(argument);
}

/**
 * Every flag with its value in one argument, so that values may start with a dash.
 *
 * @throws OutriderError where a flag that takes a value has none
 */
function attachValues(
  args: readonly string[],
  placeholders: ReadonlyMap<string, string>,
): string[] {
  const attached: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const placeholder = placeholders.get(args[i]);
    if (placeholder === undefined) attached.push(args[i]);
    else if (placeholder === "") attached.push(`${args[i]}=true`);
    else if (i + 1 < args.length && !looksLikeFlag(args[i + 1])) {
      attached.push(`${args[i]}=${args[i + 1]}`);
      i++;
    } else {
      const next = i + 1 < args.length ? `"${args[i + 1]}"` : "the end of the line";
      throw new OutriderError(
        `a value after ${args[i]}`,
        next,
        `write ${args[i]} ${placeholder}`,
      );
    }
  }
  return attached;
}

function isComplete<Options extends object>(
  options: Partial<Options>,
  names: readonly (keyof Options)[],
): options is Options {
  return names.every((name) => name in options);
}

/** Reads every option; the flags' types become the options' types. */
function readOptions<Options extends object>(
  flags: Flags<Options>,
  given: Readonly<Record<string, unknown>>,
): Options {
  const options: Partial<Options> = {};
  const names: (keyof Options & string)[] = [];
  for (const name in flags) {
    const written = given[flagName(name)];
    const list = Array.isArray(written) ? written.map(String) : [];
    options[name] = flags[name].read(`--${flagName(name)}`, list);
    names.push(name);
  }
  if (isComplete(options, names)) return options;
  throw new OutriderError("every option to be read", "one left out", "report this");
}

/**
 * Reads arguments by a command's flags.
 *
 * A lone `--` is ignored; `--name value` and `--name=value` are the same; `--help` and `-h` ask for
 * the help wherever they stand.
 *
 * @example
 * ```ts
 * import { integer, parseOptions } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const flags = { maxTokens: integer({ help: "how many", default: 64, minimum: 1 }) };
 * assertEquals(parseOptions(flags, ["--", "--max-tokens", "8"]), {
 *   kind: "run",
 *   options: { maxTokens: 8 },
 *   rest: [],
 * });
 * ```
 *
 * @throws OutriderError where a value is missing or wrong
 */
export function parseOptions<Options extends object>(
  flags: Flags<Options>,
  args: readonly string[],
): Parsed<Options> {
  const placeholders = new Map<string, string>();
  for (const name in flags) placeholders.set(`--${flagName(name)}`, flags[name].placeholder);
  const known = [...placeholders.keys(), "--help"];
  const given = args.filter((argument) => argument !== "--");

  const unknown: string[] = [];
  const names = known.map((flag) => flag.slice(2));
  const attached = attachValues(given, new Map([...placeholders, ["--help", ""]]));
  const parsed: Readonly<Record<string, unknown>> = parseArgs(attached, {
    string: [...names, "_"],
    collect: names,
    alias: { help: "h" },
    unknown: (argument: string): boolean => {
      if (argument.startsWith("-")) unknown.push(argument.replace(/=.*$/s, ""));
      return !argument.startsWith("-");
    },
  });
  if (Array.isArray(parsed.help) && parsed.help.length > 0) return { kind: "help" };
  if (unknown.length > 0) {
    const suggestion = nearest(unknown[0], known);
    return {
      kind: "unknown",
      message: `unknown flag ${unknown[0]}; did you mean ${suggestion}?`,
    };
  }
  const rest = Array.isArray(parsed._) ? parsed._.map(String) : [];
  return { kind: "run", options: readOptions(flags, parsed), rest };
}
