/**
 * The page as a static folder: bundles, the page itself, the embedded model, and drafts.
 *
 * @module
 */
import {
  type KnownDraft,
  knownDrafts,
  resolveModel,
  writeFileAtomically,
  writeTextAtomically,
} from "@outrider/outrider/io";
import { makeFolder } from "../../common/recipe.ts";
import { bundlePage } from "./bundle.ts";

const PAGE = new URL("../", import.meta.url);
/** Files that are served as they are. */
const ASSETS = ["index.html", "style.css"];
/** Modules of the folder `browser` that begin something: the page and its worker. */
const ENTRIES = ["main", "worker"];

async function copyFile(from: string | URL, to: string): Promise<void> {
  await writeFileAtomically(to, [await Deno.readFile(from)]);
}

/** Copies the drafts, named by their targets' tokenizers, with a list of them. */
async function copyDrafts(out: string, drafts: readonly KnownDraft[]): Promise<string[]> {
  const entries = drafts.map(({ path, ...rest }, i) => ({
    path,
    entry: { ...rest, file: `${i}-${rest.tokenizerHash.slice(0, 16)}.safetensors` },
  }));
  for (const { path, entry } of entries) await copyFile(path, `${out}/drafts/${entry.file}`);
  const list = JSON.stringify(entries.map(({ entry }) => entry), null, 2);
  await writeTextAtomically(`${out}/drafts/index.json`, `${list}\n`);
  return ["drafts/index.json", ...entries.map(({ entry }) => `drafts/${entry.file}`)];
}

/**
 * Builds the page into a folder and gives the paths of its files within it.
 *
 * @throws OutriderError where the folder cannot be written to
 */
export async function buildPage(out: string): Promise<readonly string[]> {
  for (const folder of [out, `${out}/models`, `${out}/drafts`]) await makeFolder(folder);
  const bundles = await bundlePage(ENTRIES);
  for (const { name, text } of bundles) await writeTextAtomically(`${out}/${name}`, text);
  for (const name of ASSETS) await copyFile(new URL(name, PAGE), `${out}/${name}`);
  const model = "models/embedded.gguf";
  await copyFile(await resolveModel("embedded"), `${out}/${model}`);
  const models = (await knownDrafts()).filter(({ kind }) => kind === "model");
  const drafts = await copyDrafts(out, models);
  return [...ASSETS, ...bundles.map(({ name }) => name), model, ...drafts];
}
