/**
 * Weights of an opened model as a parameter tree, in the precision that a program wants.
 *
 * @module
 */
import type { PackedType } from "../core/dtype.ts";
import { OutriderError } from "../core/errors.ts";
import { type HostTensor, hostTensor, packedHostTensor } from "../core/host_tensor.ts";
import { packBlocks, packMatrix } from "../core/pack.ts";
import { buildLlama, type LlamaParameters } from "../nn/llama_parameters.ts";
import type { ModelFile, ModelTensor } from "./model_file.ts";
import type { TensorFormat } from "./quantization.ts";

/**
 * How matrices are kept: `f32`, `f16`, `q8` and `q4` convert, `keep` holds the file's own values
 * without rounding them again. Arithmetic is f32 in every case.
 */
export type WeightType = "f32" | "f16" | "q8" | "q4" | "keep";

/** The weight types, for command-line choices. */
export const WEIGHT_TYPES: readonly WeightType[] = ["f32", "f16", "q8", "q4", "keep"];

const PACKED: { readonly [type in Exclude<WeightType, "keep">]: PackedType } = {
  f32: "packed_f32",
  f16: "packed_f16",
  q8: "integer_q8_0",
  q4: "integer_q4_0",
};

/** The packed type that holds a stored format's values exactly. */
const EXACT: Readonly<Partial<Record<TensorFormat, PackedType>>> = {
  F16: "packed_f16",
  Q8_0: "packed_q8_0",
  Q4_0: "packed_q4_0",
  Q4_1: "packed_q4_1",
};

/** Blocks hold 32 columns; a matrix of other widths is kept in f32. */
function fitting(type: PackedType, columns: number): PackedType {
  const blocked = type !== "packed_f32" && type !== "packed_f16";
  return blocked && columns % 32 !== 0 ? "packed_f32" : type;
}

async function loadMatrix(tensor: ModelTensor, type: WeightType): Promise<HostTensor> {
  const [rows, columns] = tensor.shape;
  const exact = EXACT[tensor.format];
  const wanted = type === "keep" ? exact ?? "packed_f32" : fitting(PACKED[type], columns);
  const bytes = wanted === exact
    ? packBlocks(wanted, rows, columns, await tensor.readBytes())
    : packMatrix(wanted, rows, columns, await tensor.readFloat32());
  return packedHostTensor(wanted, tensor.shape, bytes);
}

/**
 * Reads all weights of a model, one after another, and hands each to `place` (such as an upload to
 * a device), so that host memory never holds more than one of them.
 *
 * @throws OutriderError where weights are damaged or the file is truncated
 */
export async function loadLlama<Leaf>(
  model: ModelFile,
  type: WeightType,
  place: (tensor: HostTensor) => Leaf,
): Promise<LlamaParameters<Leaf>> {
  return await loadWith(model, async (tensor) =>
    place(
      tensor.shape.length === 1
        ? hostTensor(await tensor.readFloat32(), tensor.shape)
        : await loadMatrix(tensor, type),
    ));
}

/** Reads all weights of a model as plain f32 arrays: what training starts from. */
export async function loadDenseLlama(model: ModelFile): Promise<LlamaParameters<HostTensor>> {
  return await loadWith(
    model,
    async (tensor) => hostTensor(await tensor.readFloat32(), tensor.shape),
  );
}

async function loadWith<Leaf>(
  model: ModelFile,
  load: (tensor: ModelTensor) => Promise<Leaf>,
): Promise<LlamaParameters<Leaf>> {
  const loaded = new Map<string, { readonly leaf: Leaf }>();
  for (const [name, tensor] of model.tensors) loaded.set(name, { leaf: await load(tensor) });
  return buildLlama(model.config, ({ name }) => {
    const found = loaded.get(name);
    if (found === undefined) {
      throw new OutriderError(`the tensor ${name}`, "none", "the file is incomplete; get it again");
    }
    return found.leaf;
  });
}
