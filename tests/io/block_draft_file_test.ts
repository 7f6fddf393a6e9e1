/** A block draft file gives back what was written, and a damaged or foreign one gives one error. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import { readBlockDraftFile } from "../../src/io/block_draft_file.ts";
import {
  type BlockDraftContent,
  dequantize,
  encodeSafetensors,
  openBlockDraftFile,
  openDraftFile,
  quantize,
  type SafetensorsContent,
  writeBlockDraftFile,
} from "../../src/io/mod.ts";
import {
  type BlockDrafterConfig,
  initBlockDrafter,
  tinyBlockDrafter,
  trimmedVocabulary,
} from "../../src/nn/mod.ts";
import { weightReader } from "../../src/train/mod.ts";
import { assertRefused, partsOf } from "./draft_parts.ts";
import { damage, DAMAGE_NAMES, survive } from "./fuzz.ts";
import { chooser, concat } from "./random_bytes.ts";
import { withFolder } from "./with_folder.ts";

const VOCABULARY = trimmedVocabulary([0, 3, 4, 9, 200], 300);
const CONFIG = tinyBlockDrafter({ width: 32, heads: 2, layers: 2, taps: [1, 3], contextWidth: 48 });

function contentOf(
  changes: Partial<BlockDraftContent> = {},
  config: BlockDrafterConfig = CONFIG,
): BlockDraftContent {
  const finalNorm = new Float32Array(config.width).fill(3);
  return {
    name: "tiny block",
    config,
    readWeight: weightReader(initBlockDrafter(foldIn(keyOf(1), "block"), config, finalNorm)),
    tokenizerHash: "abc",
    vocabulary: VOCABULARY,
    format: "F32",
    ...changes,
  };
}

for (const format of ["F32", "F16", "Q8_0"] as const) {
  Deno.test(`a block draft comes back from its file: ${format}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/draft.safetensors`;
      const content = contentOf({ format });
      await writeBlockDraftFile(path, content);
      const draft = await openBlockDraftFile(path);
      assertEquals(draft.config, CONFIG);
      assertEquals([draft.path, draft.name, draft.tokenizerHash], [path, "tiny block", "abc"]);
      assertEquals(draft.vocabulary.tokenIds, VOCABULARY.tokenIds);
      assertEquals(draft.vocabulary.targetVocabulary, 300);
      for (const [name, tensor] of draft.tensors) {
        // Norms, what rows begin with, and rows of 48 columns, which are no whole blocks, stay.
        const isPlain = tensor.shape.length === 1 || ["places", "other"].includes(name);
        const isUneven = format === "Q8_0" && tensor.shape.at(-1) === 48;
        const kept = isPlain || isUneven ? "F32" : format;
        assertEquals([name, tensor.format], [name, kept]);
        const written = Float32Array.from(await content.readWeight(name));
        assertEquals(await tensor.readFloat32(), dequantize(kept, quantize(kept, written)));
      }
      assertEquals(draft.tensors.size, 8 - 1 + 2 * 11);
      draft.close();
    }));
}

Deno.test("weights and sizes that do not fit are refused, and the file before stays", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    await writeBlockDraftFile(path, contentOf());
    const before = await Deno.readFile(path);
    const { readWeight } = contentOf();
    const changed = (value: number) => async (name: string) => {
      const values = await readWeight(name);
      return name === "layers.1.up" ? values.map((old, i) => i === 7 ? value : old) : values;
    };
    const cases: readonly [BlockDraftContent, string][] = [
      [contentOf({ readWeight: changed(NaN) }), "NaN"],
      [contentOf({ readWeight: changed(70_000), format: "F16" }), "within F16 in layers.1.up"],
      [contentOf({ readWeight: changed(Infinity), format: "Q8_0" }), "within Q8_0 in layers.1.up"],
      [contentOf({ readWeight: () => new Float32Array(3) }), "values of fuse"],
      [contentOf({ config: { ...CONFIG, block: 0 } }), "block"],
      [contentOf({ config: { ...CONFIG, features: 32 } }), "64 features of 2 taps"],
    ];
    for (const [content, message] of cases) {
      await assertRejects(() => writeBlockDraftFile(path, content), OutriderError, message);
    }
    assertEquals(await Deno.readFile(path), before);
  }));

Deno.test("a file that is no block draft, or whose parts contradict each other, is refused in one line", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    await writeBlockDraftFile(path, contentOf());
    // Who takes a draft model says so.
    await assertRejects(() => openDraftFile(path), OutriderError, '"outrider block draft 1"');
    const { metadata, tensors, told, sized, ids } = await partsOf(path);
    const without = (gone: string) => ({
      metadata,
      tensors: tensors.filter(({ name }) => name !== gone),
    });
    const cases: readonly [SafetensorsContent, string][] = [
      [{ tensors }, "without a kind"],
      [told("kind", "outrider draft 1"), "outrider draft 1"],
      [told("config", undefined), "config"],
      [told("config", "[]"), "an object"],
      [told("name", undefined), "name"],
      [told("tokenizer_hash", undefined), "tokenizer_hash"],
      [told("target_vocabulary", undefined), "target_vocabulary"],
      [told("target_vocabulary", "200"), "ascending tokens below 200"],
      [sized({ taps: undefined }), "taps"],
      [sized({ taps: 3 }), "an array as taps"],
      [sized({ taps: [] }), "one or more"],
      [sized({ taps: [1, -3] }), "a tap"],
      [sized({ taps: [1, 2, 3] }), "96 features of 3 taps"],
      [sized({ taps: [1, 1.5] }), "a tap"],
      [sized({ block: 5 }), "shape"],
      [sized({ block: "4" }), "a number as block"],
      [sized({ headWidth: 15 }), "an even headWidth"],
      [sized({ keyValueHeads: 3 }), "keyValueHeads that divide 2"],
      [sized({ ropeBase: 0 }), "ropeBase"],
      [sized({ rmsNormEpsilon: null }), "rmsNormEpsilon"],
      [sized({ layers: 2 ** 31 - 1 }), "layers"],
      [sized({ layers: 1 }), "layers.1"],
      [sized({ contextWidth: 24 }), "shape"],
      [ids(0, 3, 4, 4, 9), "4 after 4"],
      [ids(), "none"],
      [without("token_ids"), "token_ids"],
      [without("layers.1.contextKey"), "layers.1.contextKey"],
      [{ metadata, tensors: [...tensors, { ...tensors[0], name: "more" }] }, "more"],
    ];
    await assertRefused(path, cases, openBlockDraftFile);
    await assertRejects(() => openBlockDraftFile(`${folder}/none`), OutriderError, "nothing there");
  }));

Deno.test("a block draft file damaged at random is refused in one line, or read", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    await writeBlockDraftFile(path, contentOf());
    const bytes = new Uint8Array(await Deno.readFile(path));
    const header = encodeSafetensors(await partsOf(path))[0].length;
    const counts = { read: 0, refused: 0 };
    for (const kind of DAMAGE_NAMES) {
      for (let seed = 0; seed < 80; seed++) {
        const damaged = damage(kind, concat([bytes]), header, chooser(seed));
        const outcome = await survive(damaged, async (source) => {
          const draft = await readBlockDraftFile(source);
          for (const tensor of draft.tensors.values()) await tensor.readFloat32();
        });
        counts[outcome]++;
      }
    }
    assert(counts.refused > 250, JSON.stringify(counts));
  }));
