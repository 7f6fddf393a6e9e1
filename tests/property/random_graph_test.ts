import { assert, assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { HostTensor, Key, Tensor } from "../../src/core/mod.ts";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import {
  compile,
  createDevice,
  type Device,
  read,
  releaseTree,
  upload,
} from "../../src/runtime/mod.ts";
import { dice, INPUTS, randomGraph } from "./random_graph.ts";
import { BACKENDS, casesFor, testOn } from "../conformance/backends.ts";
import { graphHash } from "../../src/plan/graph.ts";
import { simplify } from "../../src/plan/simplify.ts";

/** Random values for the inputs; integers are row numbers, some of them outside. */
function inputValues(key: Key): HostTensor[] {
  return INPUTS.map(({ shape, type }, i) => {
    const child = core.foldIn(key, i);
    const size = core.sizeOf(shape);
    if (type === "i32") {
      const drawn = core.normals(child, size).map((x) => Math.round(1.5 + 2 * x));
      return core.hostTensor(Int32Array.from(drawn), shape);
    }
    const values = core.normals(child, size);
    if (!core.isPacked(type)) return core.hostTensor(values, shape);
    const [rows, columns] = shape;
    return core.packedHostTensor(type, shape, core.packMatrix(type, rows, columns, values));
  });
}

interface Difference {
  readonly output: number;
  readonly at: number;
  readonly found: number;
  readonly expected: number;
}

/** The first element that is neither equal nor within the tolerance. */
function difference(
  found: readonly core.HostArray[],
  expected: readonly core.HostArray[],
  tolerance: number,
): Difference | undefined {
  for (const [output, values] of expected.entries()) {
    for (const [at, value] of values.entries()) {
      const other = found[output][at];
      if (Object.is(other, value) || other === value) continue;
      if (Math.abs(other - value) <= tolerance * Math.max(1, Math.abs(value))) continue;
      return { output, at, found: other, expected: value };
    }
  }
  return undefined;
}

/** Inputs that may be donated: those that outputs can take over, each by another output. */
function donations(key: Key, outputs: readonly Tensor[]): number[] {
  const roll = dice(core.foldIn(key, "donate"));
  const free = new Set(outputs.keys());
  return INPUTS.flatMap(({ shape, type }, i) => {
    if (core.isPacked(type) || roll.chance(0.5)) return [];
    const heir = [...free].find((k) =>
      outputs[k].type === type && core.sizeOf(outputs[k].shape) === core.sizeOf(shape)
    );
    if (heir === undefined) return [];
    free.delete(heir);
    return [i];
  });
}

/** Runs the random graph of a key on a device and compares it with the evaluator. */
async function checkGraph(device: Device, key: Key, tolerance: number): Promise<void> {
  const inputs = INPUTS.map(({ shape, type }, i) => core.input(shape, type, `x${i}`));
  const outputs = randomGraph(key, inputs);
  const values = inputValues(key);
  const expected = evaluateGraph(outputs, new Map(inputs.map((t, i) => [t, values[i].data])));
  const donated = donations(key, outputs);
  const build = (...tensors: Tensor[]): Tensor[] => randomGraph(key, tensors);
  const compiled = compile(device, build, { name: "graph", donate: donated });
  const arrays = values.map((value) => upload(device, value));
  const results = compiled(...arrays);
  const found: core.HostArray[] = [];
  for (const result of results) found.push(await read(result));
  const wrong = difference(found, expected, tolerance);
  if (wrong !== undefined) {
    throw new Error(`${JSON.stringify(wrong)}\n${core.printGraph([outputs[wrong.output]])}`);
  }
  for (const [i, array] of arrays.entries()) {
    assertEquals(array.live, !donated.includes(i));
    if (array.live && !core.isPacked(array.type)) {
      assertEquals(await read(array), values[i].data, `input ${i} has changed`);
    }
  }
  releaseTree([arrays, results]);
}

const GRAPHS = Array.from({ length: 300 }, (_, i) => i);

for (const backend of BACKENDS) {
  const { taken, count } = casesFor(backend, GRAPHS);
  const promise = `${count} random graphs compute what they mean, donations included`;
  testOn(backend, promise, async (opened) => {
    const device = createDevice(opened);
    for (const i of taken) {
      try {
        await checkGraph(device, core.foldIn(core.keyOf(2024), i), 1e-5);
      } catch (error) {
        throw new Error(`graph ${i}: ${error instanceof Error ? error.stack : error}`);
      }
    }
    assert(device.counters().compiles > taken.length * 0.9);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}

const graphInputs = (): Tensor[] => INPUTS.map(({ shape, type }) => core.input(shape, type));

Deno.test("a graph built again has the same hash, another graph another", () => {
  const hashOf = (seed: number): string => {
    const inputs = graphInputs();
    return graphHash({ inputs, outputs: randomGraph(core.keyOf(seed), inputs) }, []);
  };
  const hashes = Array.from({ length: 200 }, (_, seed) => hashOf(seed));
  assertEquals(hashes, hashes.map((_, seed) => hashOf(seed)));
  assertEquals(new Set(hashes).size, hashes.length);
});

Deno.test("simplifying a graph twice changes nothing more, and never adds nodes", () => {
  for (let seed = 0; seed < 200; seed++) {
    const outputs = randomGraph(core.keyOf(seed), graphInputs());
    const once = simplify(outputs);
    assertEquals(core.printGraph(simplify(once)), core.printGraph(once), `graph ${seed}`);
    const counts = [outputs, once].map((roots) => core.topologicalOrder(roots).length);
    assert(counts[1] <= counts[0], `graph ${seed}: ${counts}`);
  }
});
