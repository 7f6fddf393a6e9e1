import { assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { writeFileAtomically, writeTextAtomically } from "../../src/io/atomic_write.ts";
import { withFolder } from "./with_folder.ts";

const namesIn = (folder: string): string[] => Array.from(Deno.readDirSync(folder), (e) => e.name);

Deno.test("a finished write replaces the file and leaves nothing else", () =>
  withFolder(async (folder) => {
    await writeTextAtomically(`${folder}/f`, "old");
    await writeFileAtomically(`${folder}/f`, [Uint8Array.of(110), Uint8Array.of(101, 119)]);
    assertEquals(Deno.readTextFileSync(`${folder}/f`), "new");
    assertEquals(namesIn(folder), ["f"]);
  }));

Deno.test("a write that fails half-way leaves the old file and nothing else", () =>
  withFolder(async (folder) => {
    await writeTextAtomically(`${folder}/f`, "old");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1000);
      await Promise.resolve();
      throw new OutriderError("more", "the end", "try again");
    }
    await assertRejects(
      () => writeFileAtomically(`${folder}/f`, broken()),
      OutriderError,
      "the end",
    );
    assertEquals(Deno.readTextFileSync(`${folder}/f`), "old");
    assertEquals(namesIn(folder), ["f"]);
  }));

Deno.test("many writers of one file at once leave one whole file", () =>
  withFolder(async (folder) => {
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(100_000));
    await Promise.all(texts.map((text) => writeTextAtomically(`${folder}/f`, text)));
    assertEquals(texts.includes(Deno.readTextFileSync(`${folder}/f`)), true);
    assertEquals(namesIn(folder), ["f"]);
  }));

Deno.test("a folder that does not exist gives one clear error", () =>
  withFolder(async (folder) => {
    await assertRejects(() => writeTextAtomically(`${folder}/no/f`, ""), OutriderError);
  }));
