/** A draft file gives back what was written, and a damaged or foreign one gives one clear error. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { isHostTensor } from "../../src/core/host_tensor.ts";
import { leavesOf } from "../../src/core/tree.ts";
import { readDraftFile } from "../../src/io/draft_file.ts";
import {
  dequantize,
  type DraftContent,
  encodeSafetensors,
  loadDenseLlama,
  loadLlama,
  openDraftFile,
  openModel,
  quantize,
  type SafetensorsContent,
  WEIGHT_TYPES,
  writeDraftFile,
  writeModelFolder,
} from "../../src/io/mod.ts";
import { type LlamaConfig, tinyLlama, trimmedVocabulary } from "../../src/nn/mod.ts";
import { weightReader } from "../../src/train/mod.ts";
import { smallWeights } from "../nn/small_models.ts";
import { assertRefused, partsOf } from "./draft_parts.ts";
import { damage, DAMAGE_NAMES, survive } from "./fuzz.ts";
import { writeModelFolder as writeTargetFolder } from "./model_folder.ts";
import { chooser, concat } from "./random_bytes.ts";
import { TOKENS } from "./tiny_model.ts";
import { withFolder } from "./with_folder.ts";

const VOCABULARY = trimmedVocabulary([0, 3, 4, 9, 200], TOKENS.length);

function configOf(sizes: Partial<LlamaConfig> = {}): LlamaConfig {
  return tinyLlama({ width: 32, heads: 2, layers: 2, vocabulary: VOCABULARY.classes, ...sizes });
}

function contentOf(config: LlamaConfig, changes: Partial<DraftContent> = {}): DraftContent {
  return {
    name: "tiny draft",
    config,
    readWeight: weightReader(smallWeights(config)),
    tokenizerHash: "abc",
    vocabulary: VOCABULARY,
    format: "F32",
    ...changes,
  };
}

for (const ropePairing of ["half", "interleaved"] as const) {
  for (const tiedEmbeddings of [true, false]) {
    for (const format of ["F32", "F16", "Q8_0"] as const) {
      Deno.test(`a draft comes back from its file: ${format}, ${ropePairing}, tied ${tiedEmbeddings}`, () =>
        withFolder(async (folder) => {
          const config = configOf({ ropePairing, tiedEmbeddings });
          const path = `${folder}/draft.safetensors`;
          await writeDraftFile(path, contentOf(config, { format }));
          const draft = await openDraftFile(path);
          assertEquals(draft.config, config);
          assertEquals([draft.name, draft.tokenizerHash], ["tiny draft", "abc"]);
          assertEquals(draft.vocabulary?.tokenIds, VOCABULARY.tokenIds);
          assertEquals(draft.vocabulary?.targetVocabulary, TOKENS.length);
          const written = leavesOf(smallWeights(config), isHostTensor);
          const read = leavesOf(await loadDenseLlama(draft), isHostTensor);
          assertEquals(read.length, written.length);
          written.forEach(({ shape, data }, i) => {
            const kept = shape.length === 1 ? "F32" : format;
            assertEquals(read[i].shape, shape);
            assertEquals(read[i].data, dequantize(kept, quantize(kept, Float32Array.from(data))));
          });
          draft.close();
        }));
    }
  }
}

Deno.test("a draft with the target's vocabulary has no trimmed one", () =>
  withFolder(async (folder) => {
    const config = configOf({ vocabulary: TOKENS.length });
    const path = `${folder}/draft.safetensors`;
    await writeDraftFile(path, contentOf(config, { vocabulary: undefined }));
    const draft = await openDraftFile(path);
    assertEquals(draft.vocabulary, undefined);
    assertEquals(draft.config, config);
    draft.close();
  }));

Deno.test("a draft file loads in every precision to the bits of the same weights in a model's folder", () =>
  withFolder(async (folder) => {
    const config = configOf({ vocabulary: TOKENS.length, tiedEmbeddings: false });
    const content = contentOf(config, { vocabulary: undefined, format: "F16" });
    await writeDraftFile(`${folder}/draft.safetensors`, content);
    await Deno.mkdir(`${folder}/target`);
    await writeTargetFolder(`${folder}/target`, config, "F32", 1);
    const { readWeight } = content;
    const like = `${folder}/target`;
    await writeModelFolder(`${folder}/draft`, { config, readWeight, like, format: "F16" });
    const files = [
      await openDraftFile(`${folder}/draft.safetensors`),
      await openModel(`${folder}/draft`),
    ];
    for (const type of WEIGHT_TYPES) {
      const [own, foreign] = await Promise.all(
        files.map((file) => loadLlama(file, type, (tensor) => tensor)),
      );
      assertEquals(own, foreign);
    }
    for (const file of files) file.close();
  }));

Deno.test("a draft in 8-bit blocks loads to the bits of its f32 weights packed to 8 bits", () =>
  withFolder(async (folder) => {
    // 72 columns of the last product are no whole blocks: that matrix stays in f32 either way.
    for (const feedForwardWidth of [64, 72]) {
      for (const tiedEmbeddings of [true, false]) {
        const config = configOf({ width: 64, feedForwardWidth, tiedEmbeddings });
        const [plain, blocks] = [`${folder}/plain.safetensors`, `${folder}/blocks.safetensors`];
        await writeDraftFile(plain, contentOf(config));
        await writeDraftFile(blocks, contentOf(config, { format: "Q8_0" }));
        const [own, foreign] = [await openDraftFile(blocks), await openDraftFile(plain)];
        const [found, expected] = await Promise.all(
          [own, foreign].map((file) => loadLlama(file, "q8", (tensor) => tensor)),
        );
        assertEquals(found, expected);
        const types = leavesOf(found, isHostTensor).map(({ type }) => type);
        assert(types.includes("integer_q8_0"), `${types}`);
        const kept = await loadLlama(own, "keep", (tensor) => tensor);
        assert(leavesOf(kept, isHostTensor).some(({ type }) => type === "packed_q8_0"));
        own.close();
        foreign.close();
        const [small, large] = [await Deno.stat(blocks), await Deno.stat(plain)];
        assert(small.size < 0.5 * large.size, `${small.size} of ${large.size} bytes`);
      }
    }
  }));

Deno.test("weights that do not fit are refused, and the file before stays", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    const config = configOf();
    await writeDraftFile(path, contentOf(config));
    const before = await Deno.readFile(path);
    const read = weightReader(smallWeights(config));
    const changed = (value: number) => (name: string) =>
      name === "layers.1.up" ? read(name).map((old, i) => i === 7 ? value : old) : read(name);
    const cases: readonly [Partial<DraftContent>, string][] = [
      [{ readWeight: changed(NaN) }, "NaN"],
      [{ readWeight: changed(Infinity) }, "Infinity"],
      [{ readWeight: changed(70_000), format: "F16" }, "within F16 in layers.1.up, found 70000"],
      [{ readWeight: changed(Infinity), format: "Q8_0" }, "within Q8_0 in layers.1.up"],
      [{ readWeight: () => new Float32Array(3) }, "values"],
      [{ vocabulary: trimmedVocabulary([1], TOKENS.length) }, "6 classes"],
      [{ config: { ...config, width: 0.5 } }, "width"],
    ];
    for (const [changes, message] of cases) {
      const write = () => writeDraftFile(path, contentOf(config, changes));
      await assertRejects(write, OutriderError, message);
    }
    assertEquals(await Deno.readFile(path), before);
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["draft.safetensors"]);
  }));

Deno.test("a file that is no draft, or whose parts contradict each other, is refused in one line", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    await writeDraftFile(path, contentOf(configOf()));
    const { metadata, tensors, told, sized, ids } = await partsOf(path);
    const cases: readonly [SafetensorsContent, string][] = [
      [{ tensors }, "without a kind"],
      [told("kind", "outrider draft 2"), "outrider draft 2"],
      [told("config", undefined), "config"],
      [told("config", "{"), "JSON"],
      [told("config", "7"), "an object"],
      [told("name", undefined), "name"],
      [told("tokenizer_hash", undefined), "tokenizer_hash"],
      [told("target_vocabulary", undefined), "target_vocabulary"],
      [told("target_vocabulary", "-4"), "target_vocabulary"],
      [told("target_vocabulary", "99999999"), "target_vocabulary"],
      [told("target_vocabulary", "200"), "ascending tokens below 200"],
      [sized({ layers: 2 ** 31 - 1 }), "layers"],
      [sized({ layers: 1 }), "layers.1"],
      [sized({ width: 24 }), "shape"],
      [sized({ width: "32" }), "a number"],
      [sized({ ropePairing: "quarter" }), "ropePairing"],
      [sized({ tiedEmbeddings: 1 }), "tiedEmbeddings"],
      [sized({ vocabulary: 7 }), "7 classes"],
      [sized({ tiedEmbeddings: false }), "head"],
      [ids(0, 3, 4, 9), "6 classes"],
      [ids(0, 3, 4, 4, 9), "4 after 4"],
      [ids(-1, 3, 4, 9, 10), "-1"],
      [ids(), "none"],
      [{ metadata, tensors: tensors.filter(({ name }) => name !== "token_ids") }, "token_ids"],
      [{ metadata, tensors: tensors.filter(({ name }) => name !== "layers.1.up") }, "layers.1.up"],
      [{ metadata, tensors: [...tensors, { ...tensors[0], name: "more" }] }, "more"],
    ];
    await assertRefused(path, cases, openDraftFile);
    await assertRejects(() => openDraftFile(`${folder}/none`), OutriderError, "nothing there");
  }));

Deno.test("a draft file damaged at random is refused in one line, or read", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    await writeDraftFile(path, contentOf(configOf()));
    const bytes = new Uint8Array(await Deno.readFile(path));
    const { metadata, tensors } = await partsOf(path);
    const header = encodeSafetensors({ metadata, tensors })[0].length;
    const counts = { read: 0, refused: 0 };
    for (const kind of DAMAGE_NAMES) {
      for (let seed = 0; seed < 150; seed++) {
        const damaged = damage(kind, concat([bytes]), header, chooser(seed));
        const outcome = await survive(damaged, async (source) => {
          await loadDenseLlama(await readDraftFile(source));
        });
        counts[outcome]++;
      }
    }
    assert(counts.refused > 500, JSON.stringify(counts));
  }));

Deno.test("a draft file opens from a web server, too", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    const config = configOf();
    await writeDraftFile(path, contentOf(config));
    const bytes = await Deno.readFile(path);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
      const part = bytes.slice(Number(from), Number(to) + 1);
      const headers = { "content-range": `bytes ${from}-${to}/${bytes.length}` };
      return new Response(part, { status: 206, headers });
    });
    const url = `http://127.0.0.1:${server.addr.port}/drafts/draft.safetensors`;
    const [local, remote] = [await openDraftFile(path), await openDraftFile(url)];
    assertEquals(remote.path, url);
    assertEquals(await loadDenseLlama(remote), await loadDenseLlama(local));
    local.close();
    remote.close();
    await server.shutdown();
  }));
