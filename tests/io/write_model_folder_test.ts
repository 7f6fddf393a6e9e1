import { assertEquals } from "@std/assert";
import { openModel, weightShapes, writeModelFolder } from "../../src/io/mod.ts";
import { tinyLlama } from "../../src/nn/mod.ts";
import { reorderRopeRows } from "../../src/io/rope_rows.ts";
import { writeModelFolder as writeTargetFolder } from "./model_folder.ts";
import { tinyWeights } from "./tiny_model.ts";
import { withFolder } from "./with_folder.ts";

for (const ropePairing of ["half", "interleaved"] as const) {
  Deno.test(`a model written beside a Hugging Face target opens with its weights and the target's tokenizer, ${ropePairing} pairing`, async () => {
    await withFolder(async (folder) => {
      await Deno.mkdir(`${folder}/target`);
      const targetConfig = tinyLlama({ width: 16, heads: 2, vocabulary: 272, layers: 2 });
      await writeTargetFolder(`${folder}/target`, targetConfig, "F32", 1);
      const target = await openModel(`${folder}/target`);
      const config = tinyLlama({ ...targetConfig, width: 8, headWidth: 4, layers: 1, ropePairing });
      const weights = tinyWeights(config);
      await writeModelFolder(`${folder}/draft`, {
        config,
        readWeight: (name) => weights.get(name) ?? new Float32Array(),
        like: `${folder}/target`,
        format: "F32",
      });
      const draft = await openModel(`${folder}/draft`);
      assertEquals(draft.config, { ...config, ropePairing: "half" });
      assertEquals(draft.tokenizer.hash, target.tokenizer.hash);
      assertEquals(draft.tokenizer.endOfTurn, target.tokenizer.endOfTurn);
      for (const name of weightShapes(config).keys()) {
        const written = weights.get(name) ?? new Float32Array();
        const turned = /\.(query|key)$/.test(name)
          ? reorderRopeRows(written, config, "half")
          : written;
        assertEquals(await draft.tensors.get(name)?.readFloat32(), turned);
      }
      draft.close();
      target.close();
    });
  });
}
