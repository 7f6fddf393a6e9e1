import { assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import type { DownloadProgress } from "../../src/io/download_progress.ts";
import { hubClient } from "../../src/io/hub_download.ts";
import { resolveModel } from "../../src/io/resolve_model.ts";
import { withFolder } from "./with_folder.ts";

const FILES: Readonly<Record<string, string>> = {
  "config.json": "{}",
  "tokenizer.json": "{}",
  "model.safetensors": "w".repeat(200_000),
};

/** Answers as the hub does: a listing, and files with ranges. */
function answer(request: Request): Response {
  const { pathname } = new URL(request.url);
  if (pathname === "/api/models/owner/name/tree/main") {
    const list = Object.entries(FILES)
      .map(([path, text]) => ({ type: "file", path, size: text.length, oid: "0" }));
    return Response.json([...list, { type: "directory", path: "onnx", size: 0, oid: "0" }]);
  }
  const text = FILES[pathname.replace("/owner/name/resolve/main/", "")];
  if (text === undefined) return Response.json({ error: "Repository not found" }, { status: 404 });
  const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.get("range") ?? "") ??
    [undefined, 0, text.length - 1];
  const part = text.slice(Number(from), Number(to) + 1);
  const headers = {
    etag: '"1"',
    "content-range": `bytes ${from}-${Number(from) + part.length - 1}/${text.length}`,
  };
  return new Response(part, { status: 206, headers });
}

async function withHub(use: (url: string) => Promise<void>): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answer);
  try {
    await use(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("the hub's own protocol brings a model folder, with progress to the last byte", () =>
  withHub((url) =>
    withFolder(async (folder) => {
      const seen: DownloadProgress[] = [];
      const path = await resolveModel("owner/name", {
        cacheDirectory: folder,
        hub: hubClient(url),
        onProgress: (progress) => seen.push(progress),
      });
      for (const [name, text] of Object.entries(FILES)) {
        assertEquals(await Deno.readTextFile(`${path}/${name}`), text);
      }
      const weights = seen.filter(({ what }) => what.startsWith("model.safetensors"));
      assertEquals(weights.at(-1)?.done, 200_000);
      assertEquals(weights.at(-1)?.total, 200_000);
    })
  ));

Deno.test("a repository that is not there, and a hub that is not there, give one clear error", () =>
  withHub((url) =>
    withFolder(async (folder) => {
      for (const hub of [hubClient(url), hubClient("http://127.0.0.1:1")]) {
        const resolving = () => resolveModel("no/such", { cacheDirectory: folder, hub });
        await assertRejects(resolving, OutriderError, "no/such");
      }
    })
  ));
