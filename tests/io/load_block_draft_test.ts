/** A block drafter's weights beside its target's: what is packed, what is shared, what is refused. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { isPacked } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import {
  type HostTensor,
  hostTensor,
  isHostTensor,
  packedHostTensor,
} from "../../src/core/host_tensor.ts";
import { packMatrix } from "../../src/core/pack.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import { leavesOf } from "../../src/core/tree.ts";
import {
  loadBlockDraft,
  type ModelFile,
  openBlockDraftFile,
  openModel,
  WEIGHT_TYPES,
  writeBlockDraftFile,
} from "../../src/io/mod.ts";
import {
  type BlockDrafterConfig,
  initBlockDrafter,
  tinyBlockDrafter,
  type TrimmedVocabulary,
  trimmedVocabulary,
} from "../../src/nn/mod.ts";
import { weightReader } from "../../src/train/mod.ts";
import { TINY_CONFIG, writeTiny } from "./tiny_model.ts";
import { withFolder } from "./with_folder.ts";

/** Tokens far apart and close together, and so many that their rows go in several parts. */
const TOKENS = 20_000;
const VOCABULARY = trimmedVocabulary(
  Array.from({ length: TOKENS }, (_, token) => token)
    .filter((token) => token < 3000 ? token % 3 === 0 : token > 9000 && token !== 15_000),
  TOKENS,
);
const CONFIG = tinyBlockDrafter({ width: 32, heads: 2, layers: 1, taps: [1, 2] });

async function writeDraft(
  path: string,
  config: BlockDrafterConfig = CONFIG,
  vocabulary: TrimmedVocabulary = VOCABULARY,
): Promise<(name: string) => Float32Array> {
  const finalNorm = new Float32Array(config.width).fill(2);
  const drafter = initBlockDrafter(foldIn(keyOf(1), "block"), config, finalNorm);
  const readWeight = weightReader(drafter);
  const content = { name: "tiny", config, readWeight, tokenizerHash: "abc", vocabulary };
  await writeBlockDraftFile(path, { ...content, format: "F32" });
  return readWeight;
}

/** A matrix as it would be packed by itself, into the type of another. */
function packed(
  { type }: HostTensor,
  [rows, columns]: readonly [number, number],
  values: Float32Array,
): HostTensor {
  if (!isPacked(type)) throw new Error(`a packed type, not ${type}`);
  return packedHostTensor(type, [rows, columns], packMatrix(type, rows, columns, values));
}

/** The rows of kept tokens out of the target's head, all of it read at once, and one more row. */
async function headOf({ tensors, config }: ModelFile, other: Float32Array): Promise<Float32Array> {
  const whole = await tensors.get(config.tiedEmbeddings ? "embedding" : "head")?.readFloat32();
  const rows = new Float32Array(VOCABULARY.classes * config.width);
  VOCABULARY.tokenIds.forEach((token, row) =>
    rows.set(
      whole?.subarray(token * config.width, (token + 1) * config.width) ?? [],
      row * config.width,
    )
  );
  rows.set(other, VOCABULARY.other * config.width);
  return rows;
}

for (const format of ["F32", "F16", "Q8_0"] as const) {
  for (const tiedEmbeddings of [true, false]) {
    Deno.test(`the head is the target's rows of the drafted tokens: ${format}, tied ${tiedEmbeddings}`, () =>
      withFolder(async (folder) => {
        const [model, path] = [`${folder}/tiny.gguf`, `${folder}/draft.safetensors`];
        await writeTiny(model, { ...TINY_CONFIG, vocabulary: TOKENS, tiedEmbeddings }, format);
        const readWeight = await writeDraft(path);
        const [file, draft] = [await openModel(model), await openBlockDraftFile(path)];
        const embedding = hostTensor(new Float32Array(1), [1, 1]);
        const expected = await headOf(file, readWeight("other"));
        for (const type of WEIGHT_TYPES) {
          const target = { file, embedding };
          const { head, drafter, ...shared } = await loadBlockDraft(draft, target, type, (t) => t);
          assertEquals(head, packed(head, [VOCABULARY.classes, 32], expected));
          const keeps = type === "keep" &&
            { F32: "packed_f32", F16: "packed_f16", Q8_0: "packed_q8_0" };
          if (keeps) assertEquals(head.type, keeps[format]);
          if (type === "q8") assertEquals(head.type, "integer_q8_0");
          assert(shared.embedding === embedding);
          assertEquals(
            drafter.layers[0].up,
            packed(drafter.layers[0].up, [64, 32], readWeight("layers.0.up")),
          );
          for (const name of ["places", "other", "tokenGain", "fuseNorm", "finalNorm"] as const) {
            assertEquals(drafter[name], hostTensor(readWeight(name), drafter[name].shape));
          }
          // The drafter of an 8-bit target multiplies in 8 bits.
          const types = leavesOf(drafter, isHostTensor).map((leaf) => leaf.type);
          assertEquals(types.includes("integer_q8_0"), type === "q8");
        }
        draft.close();
        file.close();
      }));
  }
}

Deno.test("a target of other sizes is refused in one line", () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTiny(model, TINY_CONFIG, "F32");
    const file = await openModel(model);
    const few = trimmedVocabulary([1, 2, 3], TINY_CONFIG.vocabulary);
    const cases: readonly [BlockDrafterConfig, TrimmedVocabulary, string][] = [
      [tinyBlockDrafter({ width: 64, taps: [1] }), few, "of width 64, 1 or more layers"],
      [tinyBlockDrafter({ width: 32, taps: [1, 3] }), few, "of width 32, 3 or more layers"],
      [CONFIG, VOCABULARY, "20000 tokens for"],
    ];
    for (const [config, vocabulary, message] of cases) {
      const path = `${folder}/draft.safetensors`;
      await writeDraft(path, config, vocabulary);
      const draft = await openBlockDraftFile(path);
      const target = { file, embedding: "embedding" };
      const load = () => loadBlockDraft(draft, target, "f32", () => "leaf");
      const error = await assertRejects(load, OutriderError, message);
      assert(error.message.includes("width 32, 2 layers and 268 tokens"), error.message);
      draft.close();
    }
    file.close();
  }));
