/**
 * What a distillation set says of itself: who wrote it, to what, and how.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { readingError } from "./file_lines.ts";

/** The options that a set was begun with; it goes on with the same ones only. */
export interface SetManifest {
  /** The layout of the folder. */
  readonly version: 1;
  /** The target as it was named. */
  readonly target: string;
  /** How the target's weights were kept. */
  readonly dtype: string;
  /** The hash of the target's tokenizer. */
  readonly tokenizerHash: string;
  /** The hash of the target's chat template. */
  readonly templateHash: string;
  /** The target's vocabulary. */
  readonly vocabulary: number;
  /** What was answered, in words. */
  readonly prompts: string;
  /** Longer prompts were left out. */
  readonly maximumPrompt: number;
  /** Most tokens of a response. */
  readonly maximumTokens: number;
  /** Temperatures, in turn. */
  readonly temperatures: readonly number[];
  /** Probability mass that sampling was restricted to. */
  readonly topP: number;
  /** What all coins were drawn from. */
  readonly seed: number;
  /** Tokens of the teacher's distribution kept for each response token; 0 keeps none. */
  readonly teacherTokens: number;
  /** Entries of a full shard. */
  readonly entriesPerShard: number;
}

const TEXTS = ["target", "dtype", "tokenizerHash", "templateHash", "prompts"] as const;
const NUMBERS = [
  "vocabulary",
  "maximumPrompt",
  "maximumTokens",
  "topP",
  "seed",
  "teacherTokens",
  "entriesPerShard",
] as const;

function isManifest(value: unknown): value is SetManifest {
  if (typeof value !== "object" || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return fields.version === 1 && TEXTS.every((name) => typeof fields[name] === "string") &&
    NUMBERS.every((name) => Number.isFinite(fields[name])) &&
    Array.isArray(fields.temperatures) && fields.temperatures.every(Number.isFinite);
}

/**
 * Reads a set's manifest.
 *
 * @throws OutriderError where there is none, or it is damaged
 */
export async function readManifest(path: string): Promise<SetManifest> {
  try {
    const value: unknown = JSON.parse(await Deno.readTextFile(path));
    if (isManifest(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw readingError(path, error);
  }
  throw new OutriderError(
    `a distillation set's manifest in ${path}`,
    "something else",
    "name the folder of a set",
  );
}

/** Writes a manifest that is wholly there or not there. */
export async function writeManifest(path: string, manifest: SetManifest): Promise<void> {
  const beside = `${path}.new`;
  try {
    await Deno.writeTextFile(beside, `${JSON.stringify(manifest, null, 2)}\n`);
    await Deno.rename(beside, path);
  } catch (error) {
    throw readingError(path, error);
  }
}

/** Refuses to go on with a set that was begun with other options. */
export function checkManifest(path: string, found: SetManifest, wanted: SetManifest): void {
  const names = [...TEXTS, ...NUMBERS, "temperatures"] as const;
  const other = names.find((name) => `${found[name]}` !== `${wanted[name]}`);
  if (other === undefined) return;
  throw new OutriderError(
    `a set begun with ${other} ${wanted[other]}`,
    `${found[other]} in ${path}`,
    "run with the options of the first run, or name another folder",
  );
}
