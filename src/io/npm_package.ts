/**
 * Files out of a package of the npm registry, by the machine's own npm.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { OutriderError } from "../core/errors.ts";
import { fileError } from "./file_errors.ts";
import { quote } from "./quote.ts";
import { type TarFile, unpackTar } from "./tar_reader.ts";

/** A package at one exact version. */
export interface NpmPackage {
  /** Its name, with its scope where it has one. */
  readonly name: string;
  /** Its exact version. */
  readonly version: string;
  /** SHA-512 of its archive in base 64, as lock files have it, without the leading "sha512-". */
  readonly sha512: string;
}

/** Downloads a package's archive into an empty folder and returns its path. */
export type PackageDownload = (wanted: NpmPackage, folder: string) => Promise<string>;

/**
 * A {@link PackageDownload} by the machine's own npm, which obeys the user's settings; scripts of
 * the package are not run.
 *
 * @throws {OutriderError} without npm or without the network, with npm's own words
 */
export async function downloadByNpm(
  { name, version }: NpmPackage,
  folder: string,
): Promise<string> {
  const wanted = `${name}@${version}`;
  const args = ["pack", wanted, "--ignore-scripts", "--silent", "--pack-destination", folder];
  const fail = (found: string): never => {
    throw new OutriderError(`the npm package ${wanted}`, found, "check the network and npm");
  };
  const command = new Deno.Command("npm", { args, stdin: "null", stderr: "piped" });
  const result = await command.output().catch(() => fail("no npm on this machine"));
  if (!result.success) {
    const lines = new TextDecoder().decode(result.stderr).trim().split("\n");
    fail(`npm's answer ${quote(lines.find((line) => /error/i.test(line)) ?? lines[0])}`);
  }
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".tgz")) return `${folder}/${entry.name}`;
  }
  return fail("no archive");
}

/**
 * The wanted files of a package, after its archive has been checked against its SHA-512.
 *
 * @param wanted which names to unpack; names begin behind the archive's own top folder
 * @param download how the archive is fetched; by npm if left out
 * @throws {OutriderError} where it cannot be downloaded, or the archive is another one
 */
export async function* npmPackageFiles(
  one: NpmPackage,
  wanted: (name: string) => boolean,
  download: PackageDownload = downloadByNpm,
): AsyncGenerator<TarFile> {
  const folder = await Deno.makeTempDir();
  try {
    const path = await download(one, folder);
    const archive = await Deno.readFile(path).catch((error) => {
      throw fileError(path, error);
    });
    const found = createHash("sha512").update(archive).digest("base64");
    const what = `${one.name}@${one.version}`;
    if (found !== one.sha512) {
      throw new OutriderError(`${what} with SHA-512 ${one.sha512}`, found, "download it again");
    }
    const unpacked = new Blob([archive]).stream().pipeThrough(new DecompressionStream("gzip"));
    const withoutTop = (name: string): string => name.slice(name.indexOf("/") + 1);
    for await (const file of unpackTar(unpacked, what, (name) => wanted(withoutTop(name)))) {
      yield { name: withoutTop(file.name), bytes: file.bytes };
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
