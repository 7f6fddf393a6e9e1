/** The draft for a target is found by its tokenizer's hash, and a list that is damaged is refused. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  type DraftFileKind,
  findKnownDraft,
  knownDrafts,
  openBlockDraftFile,
  openDraftFile,
} from "../../src/io/mod.ts";
import { withFolder } from "./with_folder.ts";

const entry = (tokenizerHash: string, file: string) => ({
  tokenizerHash,
  name: `for ${file}`,
  file,
});

/** Uses a list with the given text, in a folder whose name a URL must escape. */
function withList(text: string, use: (index: URL, folder: string) => Promise<void>): Promise<void> {
  return withFolder(async (parent) => {
    const folder = `${parent}/drafts of mine`;
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${folder}/index.json`, text);
    await use(new URL(`file://${parent}/drafts%20of%20mine/index.json`), folder);
  });
}

Deno.test("the first draft with the tokenizer's hash is found, beside the list", () => {
  const list = [
    entry("a", "a/draft.safetensors"),
    entry("b", "b.safetensors"),
    entry("b", "c.safetensors"),
  ];
  return withList(JSON.stringify(list), async (index, folder) => {
    const found = await findKnownDraft("b", index);
    assertEquals(found, {
      tokenizerHash: "b",
      name: "for b.safetensors",
      kind: "model",
      preferred: false,
      path: `${folder}/b.safetensors`,
    });
    assertEquals((await knownDrafts(index)).map(({ path }) => path), [
      `${folder}/a/draft.safetensors`,
      `${folder}/b.safetensors`,
      `${folder}/c.safetensors`,
    ]);
  });
});

Deno.test("of several drafts the preferred one is found among those that will do", () => {
  const list = [
    { ...entry("a", "block.safetensors"), kind: "block" },
    entry("a", "first.safetensors"),
    { ...entry("a", "preferred.safetensors"), preferred: true },
    { ...entry("b", "first.safetensors"), kind: "model", preferred: false },
    { ...entry("b", "block.safetensors"), kind: "block", preferred: true },
  ];
  return withList(JSON.stringify(list), async (index, folder) => {
    const cases: readonly (readonly [string, readonly DraftFileKind[] | undefined, string])[] = [
      ["a", undefined, "preferred"],
      ["a", ["model", "block"], "preferred"],
      ["a", ["block"], "block"],
      ["b", undefined, "first"],
      ["b", ["model", "block"], "block"],
    ];
    for (const [hash, kinds, expected] of cases) {
      const { path } = await findKnownDraft(hash, index, kinds);
      assertEquals([hash, kinds, path], [hash, kinds, `${folder}/${expected}.safetensors`]);
    }
    await assertRejects(() => findKnownDraft("c", index, ["block"]), OutriderError, "block.saf");
  });
});

Deno.test("a target that no draft serves is told which drafts there are", async () => {
  await withList(
    JSON.stringify([entry("a", "a.safetensors"), entry("b", "b.safetensors")]),
    async (index) => {
      const error = await assertRejects(() => findKnownDraft("c", index), OutriderError);
      assertEquals(error.found, "only for a.safetensors, for b.safetensors");
    },
  );
  await withList("[]", async (index) => {
    const error = await assertRejects(() => findKnownDraft("c", index), OutriderError);
    assertEquals(error.found, "none");
  });
});

Deno.test("a list that is damaged, or leads out of its folder, is refused in one line", async () => {
  const files = ["../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "x.gguf"]
    .concat("//host/x.safetensors", "http://host/x.safetensors", ".x.safetensors", "");
  const texts = ["", "{}", "[7]", "[{}]", JSON.stringify([{ ...entry("a", "b"), name: 7 }])]
    .concat(JSON.stringify([{ ...entry("a", "b.safetensors"), kind: "chain" }]))
    .concat(JSON.stringify([{ ...entry("a", "b.safetensors"), preferred: "yes" }]))
    .concat(files.map((file) => JSON.stringify([entry("a", file)])));
  for (const text of texts) {
    await withList(text, async (index) => {
      const error = await assertRejects(() => findKnownDraft("a", index), OutriderError);
      assert(!error.message.includes("\n"), error.message);
    });
  }
  const nowhere = new URL("file:///no/such/index.json");
  await assertRejects(() => knownDrafts(nowhere), OutriderError, "/no/such/index.json");
});

Deno.test("a list on a web server leads to drafts on it", async () => {
  const server = Deno.serve(
    { port: 0, onListen: () => {} },
    (request) =>
      request.url.endsWith("/index.json")
        ? Response.json([entry("a", "a/draft.safetensors")])
        : new Response("", { status: 404 }),
  );
  const base = `http://localhost:${server.addr.port}`;
  const found = await findKnownDraft("a", new URL(`${base}/drafts/index.json`));
  assertEquals(found.path, `${base}/drafts/a/draft.safetensors`);
  const missing = () => knownDrafts(new URL(`${base}/none.json`));
  await assertRejects(missing, OutriderError, "status 404");
  await server.shutdown();
});

Deno.test("every draft that comes with the package opens, and is for the tokenizer that the list says", async () => {
  for (const { path, tokenizerHash, name, kind } of await knownDrafts()) {
    const draft = await (kind === "block" ? openBlockDraftFile(path) : openDraftFile(path));
    assertEquals([draft.tokenizerHash, draft.name], [tokenizerHash, name]);
    draft.close();
  }
});
