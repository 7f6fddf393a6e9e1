import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { OutriderError } from "../../src/core/errors.ts";
import { npmPackageFiles, type TarFile, unpackTar } from "../../src/io/mod.ts";
import { chooser } from "./random_bytes.ts";
import { paxRecord, type TarInput, tarOf } from "./tar_writer.ts";

const choose = chooser(11);

/** The bytes in chunks of one size. */
async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const unpack = (bytes: Uint8Array, size = 1000, wanted = (_: string) => true): Promise<TarFile[]> =>
  Array.fromAsync(unpackTar(chunked(bytes, size), "test.tar", wanted));

const longName = `package/${"folder/".repeat(15)}a file of a long name.txt`;
const pax = paxRecord("path", `package/${"é".repeat(200)}`);
const INPUTS: readonly TarInput[] = [
  { name: "package", data: new Uint8Array(), kind: "5" },
  { name: "package/empty", data: new Uint8Array() },
  { name: "package/whole block", data: choose.bytes(512) },
  { name: longName, data: choose.bytes(5000) },
  { name: "paxheader", data: pax, kind: "x" },
  { name: "package/shortened", data: choose.bytes(513) },
  { name: "package/last", data: choose.bytes(1) },
];
const FILES = INPUTS.filter(({ kind }) => kind === undefined).map(({ name, data }) => ({
  name: name === "package/shortened" ? `package/${"é".repeat(200)}` : name,
  bytes: data,
}));

Deno.test("files come out as they went in, whatever the chunks, with long names of both kinds", async () => {
  for (const size of [1, 7, 512, 10_000, 1_000_000]) {
    assertEquals(await unpack(tarOf(INPUTS), size), FILES);
  }
});

Deno.test("files that are not wanted are passed over", async () => {
  const last = await unpack(tarOf(INPUTS), 100, (name) => name === "package/last");
  assertEquals(last, FILES.slice(-1));
});

Deno.test("an archive cut anywhere before its end gives one clear error", async () => {
  const whole = tarOf(INPUTS);
  for (let length = 0; length <= whole.length - 1024; length += 61) {
    await assertRejects(() => unpack(whole.slice(0, length)), OutriderError, "test.tar");
  }
});

Deno.test("a damaged byte of a header gives one clear error", async () => {
  const whole = tarOf([INPUTS[2]]);
  for (let at = 0; at < 512; at++) {
    const broken = whole.slice();
    broken[at] ^= 0x41;
    // The checksum ends at its zero byte; the space behind it says nothing.
    if (at === 155) continue;
    await assertRejects(() => unpack(broken), OutriderError);
  }
});

Deno.test("broken extended headers give one clear error", async () => {
  const records = ["nonsense", "9999 path=a\n", "0 path=a\n", " path=a\n", "12 size=-40\n"];
  for (const record of records) {
    const inputs = [{ name: "x", data: new TextEncoder().encode(record), kind: "x" }, INPUTS[2]];
    await assertRejects(() => unpack(tarOf(inputs)), OutriderError, "test.tar");
  }
});

Deno.test("a package's files come without its top folder, and only from the very archive named", async () => {
  const stream = new Blob([new Uint8Array(tarOf(INPUTS))]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const archive = new Uint8Array(await new Response(stream).arrayBuffer());
  const download = async (_: unknown, folder: string): Promise<string> => {
    await Deno.writeFile(`${folder}/one.tgz`, archive);
    return `${folder}/one.tgz`;
  };
  const sha512 = createHash("sha512").update(archive).digest("base64");
  const one = { name: "one", version: "1.0.0", sha512 };
  const files = await Array.fromAsync(npmPackageFiles(one, (name) => name === "last", download));
  assertEquals(files, [{ name: "last", bytes: FILES[FILES.length - 1].bytes }]);
  const other = { ...one, sha512: `${sha512}=` };
  const error = await assertRejects(
    () => Array.fromAsync(npmPackageFiles(other, () => true, download)),
    OutriderError,
    "one@1.0.0",
  );
  assert(error.found === sha512);
});
