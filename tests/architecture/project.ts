/**
 * The project's files as the architecture tests see them: read from the folders themselves, so that
 * a copy without version control is checked like a clone.
 *
 * @module
 */

/** One text file, its path relative to the project's root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

const ROOT = new URL("../../", import.meta.url);
const FOLDERS = [".ci", "bench", "examples", "kernels", "src", "tests"];
const ROOT_FILES = [".gitignore", "README.md", "deno.json", "deno.lock", "mod.ts"];
const TEXT = /\.(ts|md|json|jsonl|txt|lock)$|(^|\/)(run|\.gitignore)$/;

async function readIfPresent(path: string): Promise<SourceFile[]> {
  try {
    return [{ path, text: await Deno.readTextFile(new URL(path, ROOT)) }];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function filesUnder(folder: string): Promise<SourceFile[]> {
  const found: SourceFile[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
      const path = `${folder}/${name}`;
      if (isDirectory) found.push(...await filesUnder(path));
      else if (TEXT.test(path)) found.push(...await readIfPresent(path));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** Every text file of the project in order of path. */
export async function projectFiles(): Promise<readonly SourceFile[]> {
  const groups = await Promise.all([...FOLDERS.map(filesUnder), ...ROOT_FILES.map(readIfPresent)]);
  return groups.flat().sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Entry names to files, as `deno.json` exports them. */
export async function exportsMap(): Promise<ReadonlyMap<string, string>> {
  const { exports }: { exports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", ROOT)),
  );
  return new Map(Object.entries(exports));
}
