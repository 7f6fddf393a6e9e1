/**
 * How many threads a command uses where nobody says: measured once per machine and kept.
 *
 * @module
 */
import { measureThreads } from "@outrider/outrider/backends/wasm";
import { defaultCacheDirectory, writeTextAtomically } from "@outrider/outrider/io";

/** The measurement holds for one engine on one number of cores. */
function machineName(): string {
  return `${Deno.build.arch}, ${navigator.hardwareConcurrency} cores, V8 ${Deno.version.v8}`;
}

/** How long fewer threads than cores are believed: another program may have held the others. */
const DOUBTED_AFTER_MILLISECONDS = 3_600_000;

/** True where a number of threads that was kept at some time still holds. */
function isBelieved(threads: number, keptAt: Date | null): boolean {
  if (threads === navigator.hardwareConcurrency) return true;
  return keptAt !== null && Date.now() - keptAt.getTime() < DOUBTED_AFTER_MILLISECONDS;
}

/** What the file keeps for this machine, where it keeps anything usable. */
async function keptThreads(path: string): Promise<number | undefined> {
  try {
    const kept: unknown = JSON.parse(await Deno.readTextFile(path));
    if (typeof kept !== "object" || kept === null) return undefined;
    const threads: unknown = new Map(Object.entries(kept)).get(machineName());
    const isUsable = typeof threads === "number" && Number.isInteger(threads) && threads >= 1 &&
      threads <= navigator.hardwareConcurrency;
    const { mtime } = await Deno.stat(path);
    return isUsable && isBelieved(threads, mtime) ? threads : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a measurement; a folder that cannot be written only means measuring again. */
async function keep(folder: string, path: string, threads: number): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    await writeTextAtomically(path, JSON.stringify({ [machineName()]: threads }));
  } catch {
    // The next command measures again.
  }
}

/** The number of threads that is fastest here: from the model cache folder, or measured now. */
export async function automaticThreads(folder: string = defaultCacheDirectory()): Promise<number> {
  const path = `${folder}/threads.json`;
  const kept = await keptThreads(path);
  if (kept !== undefined) return kept;
  const threads = await measureThreads();
  await keep(folder, path, threads);
  return threads;
}
