/**
 * Flags of `evaluate` that list what is to be compared.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { Flag } from "@outrider/outrider/cli";

/** A list of values separated by commas. */
function list<Value>(
  { help, placeholder, default: fallback, read }: {
    readonly help: string;
    readonly placeholder: string;
    readonly default: string;
    readonly read: (part: string, flag: string) => Value;
  },
): Flag<readonly Value[]> {
  return {
    help,
    placeholder,
    defaultText: fallback,
    read: (flag, given) => {
      const parts = (given.at(-1) ?? fallback).split(",").map((part) => part.trim());
      if (new Set(parts).size === parts.length) return parts.map((part) => read(part, flag));
      throw new OutriderError(`different values for ${flag}`, `"${parts}"`, "name each once");
    },
  };
}

/** A temperature and the mass that sampling is restricted to. */
export interface Heat {
  readonly temperature: number;
  readonly topP: number;
}

function readHeat(part: string, flag: string): Heat {
  const [, temperature, topP = "1"] = part.match(/^(\d*\.?\d+)(?:\/(0?\.\d+|1))?$/) ?? [];
  if (temperature !== undefined) return { temperature: Number(temperature), topP: Number(topP) };
  throw new OutriderError(
    `temperatures, each with or without /top-p, for ${flag}`,
    `"${part}"`,
    "write such as 0,1,0.6/0.9",
  );
}

function readGamma(part: string, flag: string): number | "auto" {
  if (part === "auto") return part;
  const gamma = part === "" ? NaN : Number(part);
  if (Number.isInteger(gamma) && gamma >= 1 && gamma <= 64) return gamma;
  throw new OutriderError(
    `integers from 1 to 64 or "auto" for ${flag}`,
    `"${part}"`,
    "write such as 3,5,auto",
  );
}

function readRule(part: string, flag: string): "block" | "token" {
  if (part === "block" || part === "token") return part;
  throw new OutriderError(`block, token for ${flag}`, `"${part}"`, "write one of them or both");
}

const decoding = list({
  help: "temperatures, each with or without /top-p, such as 0,1,0.6/0.9; 0 is greedy",
  placeholder: "T[/P],...",
  default: "0",
  read: readHeat,
});

/** The settings that every draft is measured in. */
export const settingFlags = {
  gamma: list({
    help: "numbers of tokens to draft per step; auto drafts as many as pay, or none",
    placeholder: "N|auto,...",
    default: "3",
    read: readGamma,
  }),
  decoding: {
    ...decoding,
    defaultText: `${decoding.defaultText}; 0,1 with --systems`,
    read: (flag: string, given: readonly string[]): readonly Heat[] | undefined =>
      given.length === 0 ? undefined : decoding.read(flag, given),
  },
  verify: list({
    help: "verification rules; under greedy decoding all are one",
    placeholder: "block|token,...",
    default: "block",
    read: readRule,
  }),
};

/** How a warp is called in reports. */
export function heatName({ temperature, topP }: Heat): string {
  return `T=${temperature}${topP === 1 ? "" : `, top-p ${topP}`}`;
}

/** The temperatures where none are named. */
export function heatsOf(
  decoding: readonly Heat[] | undefined,
  fallback: readonly number[],
): readonly Heat[] {
  return decoding ?? fallback.map((temperature) => ({ temperature, topP: 1 }));
}
