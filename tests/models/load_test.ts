import { assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { type HostTensor, leavesOf } from "../../src/core/mod.ts";
import {
  loadLlama,
  type ModelFile,
  openModel,
  WEIGHT_TYPES,
  type WeightType,
} from "../../src/io/mod.ts";
import { hashBytes } from "../../src/plan/stable_json.ts";
import { createDevice, isDeviceArray, uploadsTo } from "../../src/runtime/mod.ts";
import { SMOLLM2 } from "./files.ts";

/** A hash of every weight as the host packs it. */
async function hostHashes(file: ModelFile, type: WeightType): Promise<string[]> {
  const hashed = (tensor: HostTensor) => ({ hash: hashBytes(tensor.data) });
  const tree = await loadLlama(file, type, hashed);
  const isHash = (value: unknown): value is { readonly hash: string } =>
    typeof value === "object" && value !== null && "hash" in value;
  return leavesOf(tree, isHash).map(({ hash }) => hash);
}

/** A hash of every weight as it lies on a device of so many threads. */
async function deviceHashes(file: ModelFile, type: WeightType, threads: number): Promise<string[]> {
  const backend = wasmBackend({ threads });
  const device = createDevice(backend);
  const lengths = new Map<number, number>();
  const sink = uploadsTo(device);
  const tree = await loadLlama(file, type, {
    begin: (type, shape, byteLength) => {
      const parts = sink.begin(type, shape, byteLength);
      const end = () => {
        const array = parts.end();
        lengths.set(array.memory.look(), byteLength);
        return array;
      };
      return { ...parts, end };
    },
  });
  const hashes: string[] = [];
  for (const array of leavesOf(tree, isDeviceArray)) {
    const allocation = array.memory.look();
    hashes.push(hashBytes(await backend.read(allocation, 0, lengths.get(allocation) ?? 0)));
  }
  device.close();
  return hashes;
}

for (const type of WEIGHT_TYPES) {
  Deno.test({
    name: `SmolLM2 (model cache): as ${type}, 1 and 2 threads pack to the bits of the host`,
    ignore: SMOLLM2 === undefined,
    fn: async () => {
      const file = await openModel(SMOLLM2 ?? "");
      const expected = await hostHashes(file, type);
      for (const threads of [1, 2]) {
        assertEquals(await deviceHashes(file, type, threads), expected, `${threads} threads`);
      }
      file.close();
    },
  });
}
