/**
 * Flags as values: each knows its help text, its default, and how to read its argument.
 *
 * A command's options are typed by its flags: `{ gamma: integer({...}) }` gives `{ gamma: number }`.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/** One flag of a command; `Value` is the type of the option it gives. */
export interface Flag<Value> {
  /** One line of help. */
  readonly help: string;
  /** What the help shows after the flag, such as `N`; empty for a toggle, which takes no value. */
  readonly placeholder: string;
  /** What the help says about the default; empty where there is nothing to say. */
  readonly defaultText: string;
  /** Reads the texts given for the flag, in order; none where the flag was left out. */
  readonly read: (flag: string, given: readonly string[]) => Value;
}

/** The flags of a command, by option name (`maxTokens` is `--max-tokens`). */
export type Flags<Options> = { readonly [Name in keyof Options]: Flag<Options[Name]> };

/** The options that a set of flags gives: `OptionsOf<typeof flags>`. */
export type OptionsOf<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends Flag<infer Value> ? Value : never;
};

/** The bounds of a number, inclusive; both may be left out. */
export interface Bounds {
  /** The smallest allowed value. */
  readonly minimum?: number;
  /** The largest allowed value. */
  readonly maximum?: number;
}

/** The last of the given texts: a repeated flag overrides itself. */
function last(given: readonly string[]): string | undefined {
  return given[given.length - 1];
}

function missing(flag: string, placeholder: string, found: string): OutriderError {
  return new OutriderError(`${flag} ${placeholder}`, found, `add ${flag} ${placeholder}`);
}

/**
 * A text with a default.
 *
 * @example
 * ```ts
 * import { text } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(text({ help: "where to write", default: "out" }).read("--out", []), "out");
 * ```
 */
export function text(
  { help, placeholder = "TEXT", default: fallback }: {
    help: string;
    placeholder?: string;
    default: string;
  },
): Flag<string> {
  return {
    help,
    placeholder,
    defaultText: fallback === "" ? "" : fallback,
    read: (_, given) => last(given) ?? fallback,
  };
}

/** A text that may be left out: the option is then `undefined`. */
export function optionalText(
  { help, placeholder = "TEXT" }: { help: string; placeholder?: string },
): Flag<string | undefined> {
  return { help, placeholder, defaultText: "", read: (_, given) => last(given) };
}

/** A text that has to be given; leaving it out is an OutriderError. */
export function requiredText(
  { help, placeholder = "TEXT" }: { help: string; placeholder?: string },
): Flag<string> {
  return {
    help,
    placeholder,
    defaultText: "required",
    read: (flag, given) => {
      const value = last(given);
      if (value === undefined) throw missing(flag, placeholder, "no such flag");
      if (value === "") throw missing(flag, placeholder, "an empty text");
      return value;
    },
  };
}

/** A text that may be given several times; the option is the list. */
export function texts(
  { help, placeholder = "TEXT" }: { help: string; placeholder?: string },
): Flag<readonly string[]> {
  return { help, placeholder, defaultText: "may be repeated", read: (_, given) => given };
}

/** "a number of 0 or more", "an integer from 1 to 8". */
function describeBounds(noun: string, { minimum, maximum }: Bounds): string {
  if (minimum !== undefined && maximum !== undefined) {
    return `${noun} from ${minimum} to ${maximum}`;
  }
  if (minimum !== undefined) return `${noun} of ${minimum} or more`;
  return maximum === undefined ? noun : `${noun} of ${maximum} or less`;
}

/** Reads one number, or says what was expected instead. */
function readNumber(
  flag: string,
  written: string,
  noun: "a number" | "an integer",
  bounds: Bounds,
  alternative = "",
): number {
  const value = written.trim() === "" ? NaN : Number(written);
  const { minimum = -Infinity, maximum = Infinity } = bounds;
  const whole = noun === "a number" || Number.isSafeInteger(value);
  if (!Number.isFinite(value) || !whole || value < minimum || value > maximum) {
    throw new OutriderError(
      `${describeBounds(noun, bounds)}${alternative} for ${flag}`,
      `"${written}"`,
      "correct it or leave the flag out",
    );
  }
  return value;
}

/** What a flag of one number is made of; the bounds are inclusive. */
export interface NumberSpec extends Bounds {
  /** One line of help. */
  readonly help: string;
  /** What stands for the value in the help. */
  readonly placeholder?: string;
  /** The value where the flag is left out. */
  readonly default: number;
}

function numericFlag(
  noun: "a number" | "an integer",
  letter: string,
  { help, placeholder = letter, default: fallback, ...bounds }: NumberSpec,
): Flag<number> {
  return {
    help,
    placeholder,
    defaultText: String(fallback),
    read: (flag, given) => {
      const written = last(given);
      return written === undefined ? fallback : readNumber(flag, written, noun, bounds);
    },
  };
}

/**
 * A number with a default, between inclusive bounds.
 *
 * @example
 * ```ts
 * import { number } from "@outrider/outrider/cli";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const temperature = number({ help: "randomness", default: 0, minimum: 0 });
 * assertEquals(temperature.read("--temperature", ["0.7"]), 0.7);
 * assertThrows(() => temperature.read("--temperature", ["warm"]));
 * ```
 */
export function number(spec: NumberSpec): Flag<number> {
  return numericFlag("a number", "X", spec);
}

/** An integer with a default, between inclusive bounds. */
export function integer(spec: NumberSpec): Flag<number> {
  return numericFlag("an integer", "N", spec);
}

/**
 * An integer or one word, such as `--threads auto`.
 *
 * @example
 * ```ts
 * import { integerOr } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const threads = integerOr({ word: "auto", help: "threads", default: "auto", minimum: 1 });
 * assertEquals(threads.read("--threads", ["4"]), 4);
 * assertEquals(threads.read("--threads", []), "auto");
 * ```
 */
export function integerOr<const Word extends string>(
  { help, word, placeholder = `N|${word}`, default: fallback, ...bounds }: Bounds & {
    help: string;
    word: Word;
    placeholder?: string;
    default: number | NoInfer<Word>;
  },
): Flag<number | Word> {
  return {
    help,
    placeholder,
    defaultText: String(fallback),
    read: (flag, given) => {
      const written = last(given);
      if (written === undefined) return fallback;
      return written === word
        ? word
        : readNumber(flag, written, "an integer", bounds, ` or "${word}"`);
    },
  };
}

/** A list of numbers separated by commas. */
export function numbers(
  { help, placeholder = "X,X,...", default: fallback, ...bounds }: Bounds & {
    help: string;
    placeholder?: string;
    default: readonly number[];
  },
): Flag<readonly number[]> {
  return {
    help,
    placeholder,
    defaultText: fallback.join(","),
    read: (flag, given) => {
      const written = last(given);
      if (written === undefined) return fallback;
      return written.split(",").map((part) => readNumber(flag, part, "a number", bounds));
    },
  };
}

/**
 * One of a fixed list of words.
 *
 * @example
 * ```ts
 * import { choice } from "@outrider/outrider/cli";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const dtype = choice({ of: ["f32", "q8"], default: "f32", help: "how weights are stored" });
 * assertEquals(dtype.read("--dtype", ["q8"]), "q8");
 * assertThrows(() => dtype.read("--dtype", ["f23"]));
 * ```
 */
export function choice<const Word extends string>(
  { help, of: words, placeholder = words.join("|"), default: fallback }: {
    help: string;
    of: readonly Word[];
    placeholder?: string;
    default: NoInfer<Word>;
  },
): Flag<Word> {
  return {
    help,
    placeholder,
    defaultText: fallback,
    read: (flag, given) => {
      const written = last(given) ?? fallback;
      const found = words.find((word) => word === written);
      if (found !== undefined) return found;
      throw new OutriderError(
        `${words.join(", ")} for ${flag}`,
        `"${written}"`,
        `choose one of them, for example ${flag} ${fallback}`,
      );
    },
  };
}

/** A flag that is either there or not; it takes no value. */
export function toggle({ help }: { help: string }): Flag<boolean> {
  return {
    help,
    placeholder: "",
    defaultText: "",
    read: (flag, given) => {
      const written = last(given) ?? "false";
      if (written === "true") return true;
      if (written === "false") return false;
      throw new OutriderError(`${flag} without a value`, `"${written}"`, `write just ${flag}`);
    },
  };
}
