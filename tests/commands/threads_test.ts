/** The number of threads that commands use: measured once, kept, and never more than there are cores. */
import { assert, assertEquals } from "@std/assert";
import { automaticThreads } from "../../examples/common/threads.ts";
import { measureThreads } from "../../src/backends/wasm/mod.ts";

const CORES = navigator.hardwareConcurrency;

Deno.test("measured threads are at least one and at most the cores, or what is allowed", async () => {
  const threads = await measureThreads();
  assert(threads >= 1 && threads <= CORES, `${threads} of ${CORES}`);
  assertEquals(await measureThreads({ most: 1 }), 1);
});

Deno.test("a measurement is kept in the folder, and what is kept is believed only where it can be", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/models/threads.json`;
  const measured = await automaticThreads(`${folder}/models`);
  const text = await Deno.readTextFile(path);
  const [[machine, kept]] = Object.entries(JSON.parse(text));
  assertEquals(kept, measured);
  await Deno.writeTextFile(path, JSON.stringify({ [machine]: 1 }));
  assertEquals(await automaticThreads(`${folder}/models`), 1);
  if (CORES > 1) {
    // Another program may have held the other cores then: after an hour they are tried again.
    const before = new Date(Date.now() - 2 * 3_600_000);
    await Deno.utime(path, before, before);
    await automaticThreads(`${folder}/models`);
    const { mtime } = await Deno.stat(path);
    assert(mtime !== null && mtime > before, "not measured again");
  }
  for (const bad of ["", "[]", "{", JSON.stringify({ [machine]: 1e9 }), "null"]) {
    await Deno.writeTextFile(path, bad);
    const threads = await automaticThreads(`${folder}/models`);
    assert(threads >= 1 && threads <= CORES, `${threads} after ${bad}`);
  }
  await Deno.remove(folder, { recursive: true });
  // A folder that cannot be made is no reason to fail.
  const blocked = await Deno.makeTempFile();
  assert(await automaticThreads(`${blocked}/inside`) >= 1);
  await Deno.remove(blocked);
});
