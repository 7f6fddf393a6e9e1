/**
 * Weights of an opened model as a parameter tree, in the precision that a program wants.
 *
 * @module
 */
import type { PackedType } from "../core/dtype.ts";
import { OutriderError } from "../core/errors.ts";
import { type HostTensor, hostTensor } from "../core/host_tensor.ts";
import { PACKED_LAYOUT } from "../core/packed.ts";
import type { Activations, TensorSink } from "../core/tensor_sink.ts";
import { buildLlama, type LlamaParameters } from "../nn/llama_parameters.ts";
import { hostSink } from "./host_sink.ts";
import type { ModelFile, ModelTensor } from "./model_file.ts";
import { packRows } from "./pack_rows.ts";
import type { TensorFormat } from "./quantization.ts";
import { createScratch, type Scratch } from "./scratch.ts";

/**
 * How matrices are kept, and how products with them are computed.
 *
 * - `f32`, `f16`: converted; arithmetic in f32.
 * - `keep`: the file's own values, not rounded again, in the file's own size where there is a packed
 *   type for it and in f32 where there is none; arithmetic in f32, so results have the bits of `f32`.
 * - `q8`: 8-bit blocks; blocks that the file holds stay. Products are in integers where that is
 *   fastest for the place that weights go to (Wasm), in f32 where it is not (WebGPU).
 * - `q4`: 4-bit blocks likewise; a matrix that the file holds in 8-bit or 4-bit blocks stays as it is.
 */
export type WeightType = "f32" | "f16" | "q8" | "q4" | "keep";

/** The weight types, for command-line choices. */
export const WEIGHT_TYPES: readonly WeightType[] = ["f32", "f16", "q8", "q4", "keep"];

/** Packed types by the stored format whose values they hold exactly. */
type ExactTypes = Readonly<Partial<Record<TensorFormat, PackedType>>>;

/** Which packed type a matrix gets. */
interface Choice {
  /** For formats whose blocks are taken over as they are. */
  readonly exact: ExactTypes;
  /** For all other formats. */
  readonly otherwise: PackedType;
}

const CHOICES: { readonly [type in WeightType]: Choice } = {
  f32: { exact: {}, otherwise: "packed_f32" },
  f16: { exact: { F16: "packed_f16" }, otherwise: "packed_f16" },
  keep: {
    exact: { F16: "packed_f16", Q8_0: "packed_q8_0", Q4_0: "packed_q4_0", Q4_1: "packed_q4_1" },
    otherwise: "packed_f32",
  },
  q8: { exact: { Q8_0: "packed_q8_0" }, otherwise: "packed_q8_0" },
  q4: {
    exact: { Q8_0: "packed_q8_0", Q4_0: "packed_q4_0", Q4_1: "packed_q4_1" },
    otherwise: "packed_q4_1",
  },
};

/** The types of blocks whose products are taken in integers. */
const INTEGER_TYPES: Readonly<Partial<Record<PackedType, PackedType>>> = {
  packed_q8_0: "integer_q8_0",
  packed_q4_0: "integer_q4_0",
  packed_q4_1: "integer_q4_1",
};

/** Blocks hold 32 columns; a matrix of other widths is kept in f32. */
function fitting(type: PackedType, columns: number): PackedType {
  return columns % PACKED_LAYOUT[type].columns === 0 ? type : "packed_f32";
}

/** The packed type that a stored matrix gets. */
export function packedTypeOf(
  { format, shape }: Pick<ModelTensor, "format" | "shape">,
  type: WeightType,
  activations: Activations = "rounded",
): PackedType {
  const { exact, otherwise } = CHOICES[type];
  const chosen = exact[format] ?? fitting(otherwise, shape[1]);
  const isRounded = activations === "rounded" && (type === "q8" || type === "q4");
  return isRounded ? INTEGER_TYPES[chosen] ?? chosen : chosen;
}

/** Reads a tensor that no product takes as f32. */
export async function loadPlain<Leaf>(tensor: ModelTensor, sink: TensorSink<Leaf>): Promise<Leaf> {
  const values = await tensor.readFloat32();
  const parts = sink.begin("f32", tensor.shape, values.byteLength);
  parts.write(new Uint8Array(values.buffer), 0);
  return parts.end();
}

/** A file with weights: an opened model, or a draft file. */
export type StoredWeights = Pick<ModelFile, "config" | "tensors">;

/** Where the weights of a model go: a function that takes whole tensors, or a sink of parts. */
export type PlaceTensor<Leaf> = ((tensor: HostTensor) => Leaf) | TensorSink<Leaf>;

/** The sink of a place that may be a function. */
export function sinkOf<Leaf>(place: PlaceTensor<Leaf>): TensorSink<Leaf> {
  return typeof place === "function" ? hostSink(place) : place;
}

/**
 * Reads all weights of a model, one after another, and hands each to `place`: to a function (such as
 * an upload to a device) as a whole, so that host memory never holds more than one of them, or to a
 * sink (such as `uploadsTo(device)`) in parts of about a megabyte, which is faster: a device packs
 * them with all its threads, to the bits of packing on the host.
 *
 * @throws OutriderError where weights are damaged or the file is truncated
 */
export async function loadLlama<Leaf>(
  model: StoredWeights,
  type: WeightType,
  place: PlaceTensor<Leaf>,
): Promise<LlamaParameters<Leaf>> {
  const scratch: Scratch = createScratch();
  const sink = sinkOf(place);
  return await loadWith(
    model,
    (tensor) =>
      tensor.shape.length === 1
        ? loadPlain(tensor, sink)
        : packRows(tensor, packedTypeOf(tensor, type, sink.activations), sink, scratch),
  );
}

/** Reads all weights of a model as plain f32 arrays: what training starts from. */
export async function loadDenseLlama(model: StoredWeights): Promise<LlamaParameters<HostTensor>> {
  return await loadWith(
    model,
    async (tensor) => hostTensor(await tensor.readFloat32(), tensor.shape),
  );
}

async function loadWith<Leaf>(
  model: StoredWeights,
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
