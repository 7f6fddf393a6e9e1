/**
 * The help text of a command, made out of its flags.
 *
 * @module
 */
import type { Flags } from "./flags.ts";
import { flagName } from "./parse.ts";

/** What the help needs to know about a command. */
export interface HelpSpec<Options> {
  /** The command's name as it is typed, such as `deno task generate`. */
  readonly name: string;
  /** What it does, in a sentence. */
  readonly summary: string;
  /** Its flags. */
  readonly flags: Flags<Options>;
  /** Whole example lines. */
  readonly examples?: readonly string[];
  /** What stands for the arguments that belong to no flag, such as `FILE...`; none are taken without. */
  readonly rest?: string;
}

/**
 * The help text: usage, summary, one line per flag with its default, examples.
 *
 * @example
 * ```ts
 * import { helpText, number } from "@outrider/outrider/cli";
 * import { assert } from "@std/assert";
 *
 * const flags = { temperature: number({ help: "randomness", default: 0, minimum: 0 }) };
 * const help = helpText({ name: "generate", summary: "Writes text.", flags });
 * assert(help.includes("--temperature X  randomness (default 0)"));
 * ```
 */
export function helpText<Options>(spec: HelpSpec<Options>): string {
  const rows: (readonly [string, string])[] = [];
  for (const option in spec.flags) {
    const { help, placeholder, defaultText } = spec.flags[option];
    rows.push([`--${flagName(option)} ${placeholder}`.trimEnd(), help + defaultNote(defaultText)]);
  }
  rows.push(["--help", "print this text"]);
  const width = Math.min(MAXIMUM_LABEL, Math.max(...rows.map(([label]) => label.length)));
  const lines = rows.map(([label, help]) =>
    label.length > width
      ? `  ${label}\n  ${" ".repeat(width)}  ${help}`
      : `  ${label.padEnd(width)}  ${help}`
  );
  const usage = `Usage: ${spec.name} [flags]${spec.rest === undefined ? "" : ` ${spec.rest}`}`;
  const examples = (spec.examples ?? []).map((example) => `  ${example}`);
  return [
    usage,
    "",
    spec.summary,
    "",
    "Flags:",
    ...lines,
    ...(examples.length > 0 ? ["", "Examples:", ...examples] : []),
    "",
  ].join("\n");
}

/** Longer flags get a line of their own. */
const MAXIMUM_LABEL = 32;

function defaultNote(defaultText: string): string {
  if (defaultText === "") return "";
  const isNote = defaultText === "required" || defaultText === "may be repeated";
  return isNote ? ` (${defaultText})` : ` (default ${defaultText})`;
}
