/**
 * Rivals are installed at pinned versions into the cache folder, never beside the package.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { defaultCacheDirectory } from "@outrider/outrider/io";

/** The folder for what benchmarks install and write. */
export function benchCache(): string {
  return `${defaultCacheDirectory()}/bench`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Runs a program to its end; its output is shown only where it fails. */
async function runToEnd(program: string, args: readonly string[], cwd: string): Promise<void> {
  const command = new Deno.Command(program, { args: [...args], cwd, stdin: "null" });
  const result = await command.output();
  if (result.success) return;
  const lines = new TextDecoder().decode(result.stderr).trim().split("\n");
  const line = lines.findLast((one) => /error/i.test(one)) ?? lines.at(-1) ?? "";
  throw new OutriderError(`${program} ${args[0]} to end well`, line, "check the network");
}

/** Something to install: a folder that is complete once its mark is there. */
interface Installation {
  readonly folder: string;
  readonly log: (text: string) => void;
  readonly install: (folder: string) => Promise<void>;
}

/** Installs where that has not been done, and returns the folder. */
async function installed({ folder, log, install }: Installation): Promise<string> {
  const path = `${benchCache()}/${folder}`;
  const mark = `${path}/complete`;
  if (await exists(mark)) return path;
  log(`installing ${folder} into the cache, once\n`);
  await Deno.mkdir(path, { recursive: true });
  await install(path);
  await Deno.writeTextFile(mark, "");
  return path;
}

/** A folder with npm packages, `name@version` each, without their install scripts. */
export function npmFolder(
  folder: string,
  packages: readonly string[],
  log: (text: string) => void,
): Promise<string> {
  const flags = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
  return installed({
    folder,
    log,
    install: async (path) => {
      await Deno.writeTextFile(`${path}/package.json`, '{ "private": true, "type": "module" }\n');
      await runToEnd("npm", ["install", ...flags, ...packages], path);
    },
  });
}

/** The Python of a virtual environment with the given packages, `name==version` each. */
export async function pythonWith(
  folder: string,
  packages: readonly string[],
  log: (text: string) => void,
): Promise<string> {
  const path = await installed({
    folder,
    log,
    install: async (path) => {
      await runToEnd("python3", ["-m", "venv", path], path);
      await runToEnd(`${path}/bin/python`, ["-m", "pip", "install", "-q", ...packages], path);
    },
  });
  return `${path}/bin/python`;
}
