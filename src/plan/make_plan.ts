/**
 * Graph to plan: simplify, lower, settle donation, order, assign slots.
 *
 * @module
 */
import { ELEMENT_BYTES, isPacked } from "../core/dtype.ts";
import { packedBytes } from "../core/packed.ts";
import { contiguousStrides, type Shape, sizeOf } from "../core/shape.ts";
import { interpret, type Tensor, topologicalOrder } from "../core/tensor.ts";
import { type Builder, type DraftBuffer, materialize } from "./builder.ts";
import { matchDonations } from "./donate.ts";
import { type Graph, type SimplifiedGraph, simplifiedGraph } from "./graph.ts";
import { jointAttentionGrads } from "./lower_attention.ts";
import { LOWER, worthStoring } from "./lower.ts";
import { type Alias, clobbers, copiesOntoItself, orderCommands, withoutCopies } from "./order.ts";
import type { BufferHome, Command, Plan, PortSpec } from "./plan.ts";
import { assignSlots } from "./slots.ts";
import { productsTogether } from "./together.ts";

function portOf(t: Tensor): PortSpec {
  const { shape, type } = t;
  const bytes = isPacked(type)
    ? packedBytes(type, shape[0], shape[1])
    : sizeOf(shape) * ELEMENT_BYTES;
  return { shape, type, bytes };
}

function countUses(order: readonly Tensor[], outputs: readonly Tensor[]): Map<Tensor, number> {
  const uses = new Map<Tensor, number>();
  const add = (t: Tensor) => uses.set(t, (uses.get(t) ?? 0) + 1);
  for (const t of order) new Set(t.inputs).forEach(add);
  outputs.forEach(add);
  return uses;
}

/** Dequantised matrices whose users all read them packed: lookups and right operands. */
function packedReads(order: readonly Tensor[], outputs: readonly Tensor[]): Set<Tensor> {
  const users = new Map<Tensor, Tensor[]>();
  for (const t of order) {
    for (const operand of t.inputs) users.set(operand, [...users.get(operand) ?? [], t]);
  }
  const of = (t: Tensor) => users.get(t) ?? [];
  const readsPacked = (user: Tensor, operand: Tensor): boolean => {
    if (user.op.name === "gather") return user.inputs[0] === operand;
    if (user.op.name !== "permute" || outputs.includes(user)) return false;
    return of(user).every((product) =>
      product.op.name === "matmul" && product.inputs[1] === user && product.inputs[0] !== user
    );
  };
  return new Set(
    order.filter((t) =>
      t.op.name === "dequantize" && !outputs.includes(t) &&
      of(t).every((user) => readsPacked(user, t))
    ),
  );
}

/** The output buffer of each result, and of what a result is only another shape or place of. */
function wantedBuffers(
  outputs: readonly Tensor[],
  buffers: readonly number[],
): Map<Tensor, number> {
  const wanted = new Map<Tensor, number>();
  outputs.forEach((t, k) => {
    if (!wanted.has(t)) wanted.set(t, buffers[k]);
  });
  for (const [t, buffer] of [...wanted]) {
    let base = t;
    while (base.op.name === "reshape" || base.op.name === "after") base = base.inputs[0];
    if (!wanted.has(base) && base.op.name !== "input") wanted.set(base, buffer);
  }
  return wanted;
}

function lowerAll(builder: Builder, order: readonly Tensor[]): void {
  for (const t of order) {
    const value = interpret(LOWER, t.op, t, builder);
    if (value === undefined) continue;
    builder.values.set(t, value);
    const shared = (builder.uses.get(t) ?? 0) > 1 && worthStoring(value);
    if (shared || builder.wanted.has(t)) materialize(builder, t);
  }
}

/** Outputs that repeat a node get a copy of the first one's buffer. */
function copyRepeats(
  builder: Builder,
  outputs: readonly Tensor[],
  buffers: readonly number[],
): void {
  outputs.forEach((t, k) => {
    const first = outputs.indexOf(t);
    if (first !== k) copyBuffer(builder.commands, t.shape, buffers[first], buffers[k], t);
  });
}

function copyBuffer(
  commands: Command[],
  shape: Shape,
  from: number,
  to: number,
  like: Tensor,
): void {
  if (sizeOf(shape) === 0 || isPacked(like.type)) return;
  const access = { type: like.type, strides: contiguousStrides(shape), offset: 0 };
  const body = [{ op: "load", access: 0, type: like.type }] as const;
  commands.push({
    spec: { family: "map", shape, inputs: [access], output: access, body },
    args: [from, to],
  });
}

/** Gives an output a temporary of its own, copied over the donated input at the very end. */
function detour(
  buffers: DraftBuffer[],
  commands: readonly Command[],
  alias: Alias,
  output: Tensor,
): Command[] {
  const temporary = buffers.push({
    home: "temporary",
    bytes: sizeOf(output.shape) * ELEMENT_BYTES,
  }) - 1;
  const renamed = commands.map(({ spec, args }) => ({
    spec,
    args: args.map((buffer) => buffer === alias.output ? temporary : buffer),
  }));
  copyBuffer(renamed, output.shape, temporary, alias.output, output);
  return renamed;
}

/** Orders the commands so that donation is safe, with a copy where no order is. */
function settle(
  buffers: DraftBuffer[],
  first: readonly Command[],
  aliases: readonly Alias[],
  outputs: readonly Tensor[],
): readonly Command[] {
  // Most often all donations are safe at once; only where they are not is each looked at alone.
  const together = withoutCopies(first, aliases);
  if (!aliases.some((alias) => clobbers(together, alias))) {
    const ordered = orderCommands(together, aliases);
    if (ordered !== undefined) return ordered;
  }
  const outputOf = ({ output }: Alias): Tensor => {
    const home = buffers[output];
    return outputs[home.home === "output" ? home.index : 0];
  };
  const through = (from: readonly Command[], alias: Alias) =>
    detour(buffers, from, alias, outputOf(alias));
  const commands = aliases.reduce((current, alias) => {
    const direct = current.filter((command) => !copiesOntoItself(command, alias));
    const safe = !clobbers(direct, alias) && orderCommands(direct, [alias]) !== undefined;
    return safe ? direct : through(current, alias);
  }, first);
  const ordered = orderCommands(commands, aliases);
  if (ordered !== undefined) return ordered;
  const apart = aliases.reduce(through, first);
  return orderCommands(apart, aliases) ?? apart;
}

function homesOf(
  buffers: readonly DraftBuffer[],
  slotOf: ReadonlyMap<number, number>,
): BufferHome[] {
  return buffers.map((buffer, i) => {
    switch (buffer.home) {
      case "constant":
        return { home: "constant", data: buffer.data };
      case "temporary":
        return { home: "slot", index: slotOf.get(i) ?? 0, bytes: buffer.bytes };
      default:
        return { home: buffer.home, index: buffer.index };
    }
  });
}

/**
 * Compiles a graph to a plan.
 *
 * @param donated indices of inputs whose memory outputs may take over
 * @throws OutriderError where a donation cannot be honoured
 * @example
 * ```ts
 * import { add, input, mul } from "@outrider/outrider/core";
 * import { makePlan } from "@outrider/outrider/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const x = input([2], "f32", "x");
 * const { commands } = makePlan({ inputs: [x], outputs: [mul(add(x, 1), x)] }, []);
 * assertEquals(commands.map(({ spec }) => spec.family), ["map"]); // one fused kernel
 * ```
 */
export function makePlan(graph: Graph, donated: readonly number[] = []): Plan {
  return planSimplified(simplifiedGraph(graph, donated));
}

/** Compiles a simplified graph, as {@link makePlan} does. */
export function planSimplified(graph: SimplifiedGraph): Plan {
  const { outputs, donated, hash } = graph;
  const donations = matchDonations(graph.inputs, outputs, donated);
  const order = productsTogether(topologicalOrder(outputs));
  const buffers: DraftBuffer[] = [];
  const inputPorts = graph.inputs.map(portOf);
  const outputPorts = outputs.map(portOf);
  const inputs = new Map(graph.inputs.map((t, index) => {
    return [t, buffers.push({ home: "input", index, bytes: inputPorts[index].bytes }) - 1];
  }));
  const outputBuffers = outputs.map((_, index) =>
    buffers.push({ home: "output", index, bytes: outputPorts[index].bytes }) - 1
  );
  const aliases = donations.flatMap((input, k) =>
    input === -1 ? [] : [{ output: outputBuffers[k], input: inputs.get(graph.inputs[input]) ?? -1 }]
  );
  const builder: Builder = {
    buffers,
    commands: [],
    values: new Map(),
    inputs,
    wanted: wantedBuffers(outputs, outputBuffers),
    uses: countUses(order, outputs),
    aliases: new Map(aliases.map(({ output, input }) => [output, input])),
    quantized: new Map(),
    readPacked: packedReads(order, outputs),
    attentionGrads: jointAttentionGrads(order),
    jointGrads: new Map(),
  };
  lowerAll(builder, order);
  copyRepeats(builder, outputs, outputBuffers);
  const commands = settle(buffers, builder.commands, aliases, outputs);
  const temporaries = new Map(
    buffers.flatMap((b, i) => b.home === "temporary" ? [[i, b.bytes] as const] : []),
  );
  const { slotOf, slots } = assignSlots(commands, temporaries);
  return {
    inputs: graph.inputs,
    outputs,
    inputPorts,
    outputPorts,
    donations,
    buffers: homesOf(buffers, slotOf),
    slots,
    commands,
    hash,
  };
}
