import { assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { memorySource } from "../../src/io/bytes.ts";
import { listZip, unpackZipMember } from "../../src/io/zip_reader.ts";
import { chooser, concat } from "./random_bytes.ts";
import { deflateRaw, zipOf } from "./zip_writer.ts";

async function unpackAll(bytes: Uint8Array): Promise<Record<string, Uint8Array>> {
  const source = memorySource(bytes);
  const files: Record<string, Uint8Array> = {};
  for (const member of await listZip(source)) {
    files[member.name] = concat(await Array.fromAsync(unpackZipMember(source, member)));
  }
  return files;
}

const choose = chooser(5);
const FILES = [
  { name: "a/stored.bin", data: choose.bytes(1000), method: 0 },
  { name: "a/deflated.bin", data: new Uint8Array(3_000_000).fill(7), method: 8 },
  { name: "empty", data: new Uint8Array(0), method: 8 },
];

Deno.test("stored and deflated members come out as they went in, with a comment at the end", async () => {
  for (const comment of ["", "a comment"]) {
    const files = await unpackAll(await zipOf(FILES, comment));
    assertEquals(Object.keys(files), FILES.map(({ name }) => name));
    for (const { name, data } of FILES) assertEquals(files[name], data);
  }
});

Deno.test("an archive cut anywhere gives one clear error", async () => {
  const whole = await zipOf(FILES.slice(0, 1), "");
  for (let length = 0; length < whole.length; length += 7) {
    await assertRejects(() => unpackAll(whole.slice(0, length)), OutriderError);
  }
});

Deno.test("a member whose data or size is wrong gives one clear error", async () => {
  const [, deflated] = FILES;
  const packed = await deflateRaw(deflated.data);
  const broken = packed.map((byte, index) => index < 20 ? 0xff : byte);
  const variants = [
    { ...deflated, packed: broken },
    { ...deflated, packed, size: 2_999_999 },
    { ...deflated, packed, size: 3_000_001 },
    { ...deflated, packed, method: 12 },
  ];
  for (const variant of variants) {
    await assertRejects(async () => unpackAll(await zipOf([variant], "")), OutriderError);
  }
});
