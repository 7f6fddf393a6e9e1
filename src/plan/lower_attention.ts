/**
 * Lowering of attention and of its gradients, which share one kernel where all three are wanted.
 *
 * @module
 */
import { attentionParts, attentionRecord } from "../core/attention_layout.ts";
import { ELEMENT_BYTES } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { addBuffer, type Builder, emit, materialize, resultBuffer } from "./builder.ts";
import type { AttentionOperand, AttentionStorage } from "./kernel_spec.ts";
import { bufferValue, type Value } from "./value.ts";

/** Fewest key/value heads for the joint kernel, whose units they are. */
const FEWEST_HEADS = 4;
const OPERANDS = 3;
/** Rows times key/value heads that keep every thread of a machine busy. */
const ENOUGH_UNITS = 32;

function attentionSizes(inputs: readonly Tensor[], scale: number) {
  const [query, key, , , , extra] = inputs;
  const [rows, heads, headWidth] = query.shape;
  const [slots, keyValueHeads] = key.shape;
  const extras = extra === undefined ? 0 : extra.shape[1];
  const storage: AttentionStorage = key.type === "i32" ? "f16" : "f32";
  return { rows, slots, heads, keyValueHeads, headWidth, extras, scale, storage };
}

/** Extra slots of width 0 are no operand. */
function attentionArgs(builder: Builder, inputs: readonly Tensor[]): number[] {
  return inputs.filter((t) => t.shape.length !== 2 || t.shape[1] > 0)
    .map((t) => materialize(builder, t));
}

/** Fused attention: in one kernel, or by parts where its rows are too few for the threads. */
export function lowerAttention(builder: Builder, t: Tensor, scale: number): Value {
  const args = attentionArgs(builder, t.inputs);
  const target = resultBuffer(builder, t);
  const sizes = attentionSizes(t.inputs, scale);
  const parts = attentionParts(sizes);
  if (sizeOf(t.shape) === 0) return bufferValue(target, t.shape, "f32");
  if (parts < 2 || sizes.rows * sizes.keyValueHeads >= ENOUGH_UNITS) {
    emit(builder, { family: "attention", ...sizes }, [...args, target]);
  } else {
    const records = parts * sizes.rows * sizes.heads;
    const bytes = records * attentionRecord(sizes) * ELEMENT_BYTES;
    const joined = addBuffer(builder, { home: "temporary", bytes });
    const seen = args.slice(OPERANDS);
    emit(builder, { family: "attentionParts", ...sizes }, [...args, joined]);
    emit(builder, { family: "attentionJoin", ...sizes }, [joined, ...seen, target]);
  }
  return bufferValue(target, t.shape, "f32");
}

/** Emits the kernel of a gradient, or of all of them, into a buffer. */
function emitGrad(
  builder: Builder,
  t: Tensor,
  { scale, operand }: { readonly scale: number; readonly operand: AttentionOperand | "all" },
  target: () => number,
): number {
  const operands = t.inputs.slice(0, -1);
  const cotangent = materialize(builder, t.inputs[t.inputs.length - 1]);
  const args = attentionArgs(builder, operands);
  const buffer = target();
  if (sizeOf(t.shape) > 0) {
    const spec = { family: "attentionGrad", ...attentionSizes(operands, scale), operand } as const;
    emit(builder, spec, [...args, cotangent, buffer]);
  }
  return buffer;
}

/** The gradient of attention for one operand: a part of the joint result where there is one. */
export function lowerAttentionGrad(
  builder: Builder,
  t: Tensor,
  scale: number,
  operand: AttentionOperand,
): Value {
  const first = builder.attentionGrads.get(t);
  if (first === undefined) {
    const target = emitGrad(builder, t, { scale, operand }, () => resultBuffer(builder, t));
    return bufferValue(target, t.shape, "f32");
  }
  const [query, key, value] = t.inputs.slice(0, OPERANDS).map(({ shape }) => sizeOf(shape));
  const bytes = (query + key + value) * ELEMENT_BYTES;
  const joint = builder.jointGrads.get(first) ??
    emitGrad(
      builder,
      t,
      { scale, operand: "all" },
      () => addBuffer(builder, { home: "temporary", bytes }),
    );
  builder.jointGrads.set(first, joint);
  const whole = bufferValue(joint, t.shape, "f32");
  const offset = { query: 0, key: query, value: query + key }[operand];
  return { ...whole, leaves: whole.leaves.map((leaf) => ({ ...leaf, offset })) };
}

/** Gradients that one kernel gives together: each with the first that is lowered. */
export function jointAttentionGrads(order: readonly Tensor[]): Map<Tensor, Tensor> {
  const families = new Map<Tensor, Tensor[]>();
  for (const t of order) {
    if (t.op.name !== "attentionGrad") continue;
    const cotangent = t.inputs[t.inputs.length - 1];
    families.set(cotangent, [...families.get(cotangent) ?? [], t]);
  }
  const joint = new Map<Tensor, Tensor>();
  for (const family of families.values()) {
    const [first] = family;
    const alike = family.every((t) =>
      t.inputs.every((operand, i) => operand === first.inputs[i]) &&
      t.op.name === "attentionGrad" && first.op.name === "attentionGrad" &&
      t.op.attributes.scale === first.op.attributes.scale
    );
    const complete = alike && family.length === OPERANDS && sizeOf(first.shape) > 0;
    if (complete && first.inputs[1].shape[1] >= FEWEST_HEADS) {
      family.forEach((t) => joint.set(t, first));
    }
  }
  return joint;
}
