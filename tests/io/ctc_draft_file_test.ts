/** The file of a CTC drafter is that of a block drafter and one row more, and says which it is. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { isPacked } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { hostTensor, packedHostTensor } from "../../src/core/host_tensor.ts";
import { packMatrix } from "../../src/core/pack.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import {
  dequantize,
  loadBlockDraft,
  openAnyDraftFor,
  openBlockDraftFile,
  openDraftFile,
  openDraftFor,
  openModel,
  quantize,
  type SafetensorsContent,
  WEIGHT_TYPES,
  writeBlockDraftFile,
} from "../../src/io/mod.ts";
import { initCtcDrafter, tinyBlockDrafter, trimmedVocabulary } from "../../src/nn/mod.ts";
import { weightReader } from "../../src/train/mod.ts";
import { assertRefused, partsOf } from "./draft_parts.ts";
import { TINY_CONFIG, writeTiny } from "./tiny_model.ts";
import { withFolder } from "./with_folder.ts";

const VOCABULARY = trimmedVocabulary([0, 3, 4, 9, 200], TINY_CONFIG.vocabulary);
const CONFIG = tinyBlockDrafter({ width: 32, heads: 2, taps: [2], block: 6, contextWidth: 32 });
const readWeight = weightReader(
  initCtcDrafter(foldIn(keyOf(1), "ctc"), CONFIG, new Float32Array(32).fill(3)),
);

function write(
  path: string,
  format: "F32" | "F16" | "Q8_0" = "F32",
  tokenizerHash = "abc",
): Promise<void> {
  const content = { name: "tiny", config: CONFIG, readWeight, tokenizerHash, format };
  return writeBlockDraftFile(path, { ...content, kind: "ctc", vocabulary: VOCABULARY });
}

for (const format of ["F32", "F16", "Q8_0"] as const) {
  Deno.test(`a CTC drafter comes back from its file, blank and all: ${format}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/draft.safetensors`;
      await write(path, format);
      const draft = await openBlockDraftFile(path);
      assertEquals([draft.kind, draft.config], ["ctc", CONFIG]);
      for (const [name, tensor] of draft.tensors) {
        const isPlain = tensor.shape.length === 1 || ["places", "other", "blank"].includes(name);
        const kept = isPlain ? "F32" : format;
        assertEquals([name, tensor.format], [name, kept]);
        const written = Float32Array.from(await readWeight(name));
        assertEquals(await tensor.readFloat32(), dequantize(kept, quantize(kept, written)));
      }
      assert(draft.tensors.has("blank"));
      draft.close();
    }));
}

Deno.test("the head has the target's rows, that of all others, and that of the blank", () =>
  withFolder(async (folder) => {
    const [model, path] = [`${folder}/tiny.gguf`, `${folder}/draft.safetensors`];
    await writeTiny(model, TINY_CONFIG, "F32");
    const file = await openModel(model);
    await write(path, "F32", file.tokenizer.hash);
    const { kind, file: draft } = await openAnyDraftFor(file, path);
    if (kind === "model") throw new Error("it is a drafter of several places");
    assertEquals(kind, "ctc");
    const whole = await file.tensors.get(file.config.tiedEmbeddings ? "embedding" : "head")
      ?.readFloat32() ?? new Float32Array();
    const rows = [...VOCABULARY.tokenIds].map((id) => whole.subarray(32 * id, 32 * (id + 1)));
    const own = [await readWeight("other"), await readWeight("blank")];
    const expected = Float32Array.from([...rows, ...own].flatMap((row) => [...row]));
    for (const type of WEIGHT_TYPES) {
      const target = { file, embedding: hostTensor(new Float32Array(1), [1, 1]) };
      const { head } = await loadBlockDraft(draft, target, type, (tensor) => tensor);
      if (!isPacked(head.type)) throw new Error("matrices of products are packed");
      const data = packMatrix(head.type, 7, 32, expected);
      assertEquals(head, packedHostTensor(head.type, [7, 32], data));
    }
    draft.close();
    await assertRejects(() => openDraftFor(file, path), OutriderError, "a ctc drafter in");
    file.close();
  }));

Deno.test("a kind that the weights are not of is refused in one line", () =>
  withFolder(async (folder) => {
    const path = `${folder}/draft.safetensors`;
    await write(path);
    await assertRejects(() => openDraftFile(path), OutriderError, '"outrider ctc draft 1"');
    const { metadata, tensors, told } = await partsOf(path);
    const cases: readonly [SafetensorsContent, string][] = [
      [told("kind", "outrider block draft 1"), "only the tensors of a block drafter"],
      [told("kind", "outrider ctc draft 2"), "outrider ctc draft 2"],
      [{ metadata, tensors: tensors.filter(({ name }) => name !== "blank") }, "blank"],
    ];
    await assertRefused(path, cases, openBlockDraftFile);
  }));
