/** Weights go to a place in types whose products that place takes fastest. */
import { assertEquals } from "@std/assert";
import { leavesOf } from "../../src/core/tree.ts";
import { WEIGHT_TYPES, type WeightType } from "../../src/io/load_llama.ts";
import { loadLlama, openModel } from "../../src/io/mod.ts";
import type { Activations, TensorSink } from "../../src/core/tensor_sink.ts";
import { writeTinyModel } from "../commands/tiny_target.ts";
import { withFolder } from "./with_folder.ts";

/** The types of a tiny model's tensors at a place. */
async function typesAt(
  path: string,
  type: WeightType,
  activations: Activations | undefined,
): Promise<string[]> {
  const file = await openModel(path);
  const sink: TensorSink<{ readonly kind: "leaf"; readonly type: string }> = {
    activations,
    begin: (type) => ({
      write: () => {},
      end: () => ({ kind: "leaf", type }),
      abandon: () => {},
    }),
  };
  const parameters = await loadLlama(file, type, sink);
  file.close();
  const isLeaf = (value: unknown): value is { readonly kind: "leaf"; readonly type: string } =>
    typeof value === "object" && value !== null && "kind" in value && value.kind === "leaf";
  return leavesOf(parameters, isLeaf).map(({ type }) => type);
}

Deno.test("q8 and q4 are integer products only where they are fastest, and nothing else changes", () =>
  withFolder(async (folder) => {
    const path = `${folder}/tiny.gguf`;
    await writeTinyModel(path);
    for (const type of WEIGHT_TYPES) {
      const rounded = await typesAt(path, type, "rounded");
      assertEquals(await typesAt(path, type, undefined), rounded);
      const kept = await typesAt(path, type, "f32");
      assertEquals(kept, rounded.map((found) => found.replace("integer_", "packed_")));
      assertEquals(rounded.some((found) => found.startsWith("integer_")), /^q/.test(type));
    }
  }));
