/** A cached teacher teaches what the whole one does, as far as it is known. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { constant, full, pullback, type Tensor } from "../../src/core/mod.ts";
import { acceptance, cachedTeacherLogits, kld, tvd, tvdPlusPlus } from "../../src/losses/mod.ts";

const [ROWS, VOCABULARY] = [3, 7];

function logits(name: string): Float32Array {
  return normals(foldIn(keyOf(5), name), ROWS * VOCABULARY).map((value) => 2 * value);
}

function softmaxRow(values: Float32Array, row: number): number[] {
  const own = [...values.subarray(row * VOCABULARY, (row + 1) * VOCABULARY)];
  const total = own.reduce((sum, value) => sum + Math.exp(value), 0);
  return own.map((value) => Math.exp(value) / total);
}

/** The `kept` likeliest classes of each row; others of the row are -1. */
function cached(target: Float32Array, kept: number, width = kept) {
  const classes = new Int32Array(ROWS * width).fill(-1);
  const probs = new Float32Array(ROWS * width);
  for (let row = 0; row < ROWS; row++) {
    const own = softmaxRow(target, row);
    const order = own.map((_, id) => id).sort((a, b) => own[b] - own[a]).slice(0, kept);
    order.forEach((id, i) => {
      classes[row * width + i] = id;
      probs[row * width + i] = own[id];
    });
  }
  return { classes: constant(classes, [ROWS, width]), probs: constant(probs, [ROWS, width]) };
}

const matrix = (values: Float32Array): Tensor => constant(values, [ROWS, VOCABULARY]);
const ones = constant(new Float32Array(ROWS).fill(1));
const valueOf = (tensor: Tensor): number => evaluateGraph([tensor], new Map())[0][0];

Deno.test("with all classes cached, losses and gradients are those of the whole teacher", () => {
  const [draft, target] = [matrix(logits("draft")), logits("target")];
  for (const loss of [kld, tvd, tvdPlusPlus, acceptance]) {
    const whole = loss(draft, matrix(target), ones);
    const known = loss(draft, cachedTeacherLogits(draft, cached(target, VOCABULARY, 9)), ones);
    assertAlmostEquals(valueOf(known), valueOf(whole), 1e-5);
    const gradients = [whole, known].flatMap((value) =>
      pullback(value, full([], 1), [draft]).filter((found) => found !== undefined)
    );
    assertEquals(gradients.length, 2);
    const [wanted, found] = evaluateGraph(gradients, new Map());
    wanted.forEach((value, i) => assertAlmostEquals(found[i], value, 1e-5));
  }
});

Deno.test("the tail counts as one class: acceptance and KLD are those of the coarser laws", () => {
  const [draft, target] = [logits("draft"), logits("target")];
  for (const kept of [1, 2, 4]) {
    let [accepted, divergence] = [0, 0];
    for (let row = 0; row < ROWS; row++) {
      const [p, q] = [softmaxRow(draft, row), softmaxRow(target, row)];
      const order = q.map((_, id) => id).sort((a, b) => q[b] - q[a]);
      const coarse = (law: number[]) => {
        const listed = order.slice(0, kept).map((id) => law[id]);
        return [...listed, 1 - listed.reduce((sum, value) => sum + value, 0)];
      };
      const [coarseP, coarseQ] = [coarse(p), coarse(q)];
      coarseP.forEach((value, i) => {
        accepted += Math.min(value, coarseQ[i]) / ROWS;
        divergence += coarseQ[i] * Math.log(coarseQ[i] / value) / ROWS;
      });
    }
    const known = cachedTeacherLogits(matrix(draft), cached(target, kept));
    assertAlmostEquals(valueOf(acceptance(matrix(draft), known, ones)), accepted, 1e-5);
    assertAlmostEquals(valueOf(kld(matrix(draft), known, ones)), divergence, 1e-5);
  }
});

Deno.test("the class of all other tokens keeps what is known of it and shares the tail", () => {
  const draft = constant(new Float32Array(4), [1, 4]); // a quarter each
  const classes = constant(Int32Array.of(0, 3), [1, 2]);
  const probs = constant(Float32Array.of(0.5, 0.2), [1, 2]);
  const target = cachedTeacherLogits(draft, { classes, probs }, 3);
  const [values] = evaluateGraph([target], new Map());
  [0.5, 0.1, 0.1, 0.3].forEach((wanted, i) =>
    assertAlmostEquals(Math.exp(values[i]), wanted, 1e-6)
  );
});
