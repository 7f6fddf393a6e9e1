import { assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  blobSource,
  type ByteSource,
  fileSource,
  memorySource,
  urlSource,
} from "../../src/io/bytes.ts";
import { openModel } from "../../src/io/open_model.ts";
import { chooser } from "./random_bytes.ts";
import { tinyModelBytes } from "./tiny_model_bytes.ts";
import { withFolder } from "./with_folder.ts";

/** Serves bytes on this machine for as long as a test runs. */
async function withServer(
  answer: (request: Request) => Response,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answer);
  try {
    await use(`http://127.0.0.1:${server.addr.port}/file.gguf`);
  } finally {
    await server.shutdown();
  }
}

/** Answers range requests as HTTP has them. */
const ranged = (bytes: Uint8Array<ArrayBuffer>) => (request: Request): Response => {
  const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.get("range") ?? "") ?? [];
  const part = bytes.slice(Number(from), Number(to) + 1);
  const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  return new Response(part, { status: 206, headers: { "content-range": range } });
};

const BYTES = chooser(1).bytes(5000);

async function checkSource(source: ByteSource): Promise<void> {
  assertEquals(source.size, BYTES.length);
  for (const [offset, length] of [[0, 0], [0, 5000], [4999, 1], [5000, 0], [17, 1000]]) {
    assertEquals(await source.read(offset, length), BYTES.slice(offset, offset + length));
  }
  const reads = Array.from({ length: 50 }, (_, i) => source.read(i * 100, 100));
  for (const [i, bytes] of (await Promise.all(reads)).entries()) {
    assertEquals(bytes, BYTES.slice(i * 100, i * 100 + 100));
  }
  const wrong = [[0, 5001], [5001, 0], [-1, 1], [0, -1], [0.5, 1], [0, NaN], [2 ** 60, 2 ** 60]];
  for (const [offset, length] of wrong) {
    await assertRejects(() => source.read(offset, length), OutriderError);
  }
}

Deno.test("memory reads exactly what is asked for, or gives one clear error", () =>
  checkSource(memorySource(BYTES)));

Deno.test("a blob reads exactly what is asked for, and one of two parts alike", async () => {
  await checkSource(blobSource(new Blob([BYTES]), "whole"));
  await checkSource(blobSource(new Blob([BYTES.slice(0, 123), BYTES.slice(123)]), "parts"));
});

Deno.test("a file reads exactly what is asked for, many reads at once included", () =>
  withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/f`, BYTES);
    const source = await fileSource(`${folder}/f`);
    await checkSource(source);
    source.close();
    await assertRejects(() => source.read(0, 1), OutriderError);
    await assertRejects(() => fileSource(`${folder}/none`), OutriderError, "nothing there");
    await assertRejects(() => fileSource(folder), OutriderError);
  }));

Deno.test("a file that is cut while it is open gives one clear error", () =>
  withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/f`, BYTES);
    const source = await fileSource(`${folder}/f`);
    await Deno.truncate(`${folder}/f`, 100);
    await assertRejects(() => source.read(0, 200), OutriderError, "shorter");
    source.close();
  }));

Deno.test("a URL with ranges reads exactly what is asked for", () =>
  withServer(ranged(BYTES), async (url) => checkSource(await urlSource(url))));

Deno.test("a URL without ranges, or that is not there, gives one clear error", async () => {
  const whole = () => new Response(BYTES);
  await withServer(whole, async (url) => {
    await assertRejects(() => urlSource(url), OutriderError, "206");
  });
  await withServer(() => new Response(null, { status: 404 }), async (url) => {
    await assertRejects(() => urlSource(url), OutriderError, "404");
  });
});

Deno.test("a model opens from a URL", async () => {
  const { bytes } = await tinyModelBytes();
  await withServer(ranged(bytes), async (url) => {
    const model = await openModel(url);
    assertEquals((await model.tensors.get("layers.0.up")?.readFloat32())?.length, 64 * 32);
    model.close();
  });
});
