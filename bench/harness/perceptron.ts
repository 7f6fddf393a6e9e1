/**
 * A training step of a two-layer perceptron by plain descent: the same on our backend and on
 * jax-js.
 *
 * @module
 */
import {
  add,
  hostTensor,
  matmul,
  maximum,
  mean,
  mul,
  sub,
  type Tensor,
  valueAndGrad,
} from "@outrider/outrider/core";
import {
  compile,
  type Device,
  type DeviceArray,
  read,
  upload,
  uploadTree,
} from "@outrider/outrider/runtime";

/** Sizes of the perceptron: `width` to `hidden` to `width`. */
export interface PerceptronSizes {
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
}

interface Weights<Leaf> {
  readonly w1: Leaf;
  readonly b1: Leaf;
  readonly w2: Leaf;
  readonly b2: Leaf;
}

const RATE = 0.01;

function values(rows: number, columns: number, scale = 1): ReturnType<typeof hostTensor> {
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => scale * ((i * 7919 % 1000) / 500 - 1),
  );
  return hostTensor(data, [rows, columns]);
}

function loss({ w1, b1, w2, b2 }: Weights<Tensor>, x: Tensor, y: Tensor): Tensor {
  const hidden = maximum(add(matmul(x, w1), b1), 0);
  const error = sub(add(matmul(hidden, w2), b2), y);
  return mean(mul(error, error));
}

function descend(weights: Weights<Tensor>, x: Tensor, y: Tensor) {
  const { value, gradients } = valueAndGrad(loss)(weights, x, y);
  const down = (name: keyof Weights<Tensor>) => sub(weights[name], mul(gradients[name], RATE));
  return {
    value,
    weights: { w1: down("w1"), b1: down("b1"), w2: down("w2"), b2: down("b2") },
  };
}

/** Steps from first weights: each call makes `repeats` of them and one that is not timed. */
export function ourPerceptron(
  device: Device,
  { batch, width, hidden }: PerceptronSizes,
  repeats: number,
): () => Promise<{ readonly seconds: number; readonly loss: number }> {
  const step = compile(device, descend, { name: "a perceptron's step", donate: [0] });
  const x = upload(device, values(batch, width));
  const y = upload(device, values(batch, width, 0.5));
  return async () => {
    let weights: Weights<DeviceArray> = uploadTree(device, {
      w1: values(width, hidden, 0.05),
      b1: hostTensor(new Float32Array(hidden)),
      w2: values(hidden, width, 0.05),
      b2: hostTensor(new Float32Array(width)),
    });
    const advance = async (): Promise<number> => {
      const made = step(weights, x, y);
      weights = made.weights;
      using value = made.value;
      return (await read(value))[0];
    };
    await advance();
    let last = 0;
    const start = performance.now();
    for (let i = 0; i < repeats; i++) last = await advance();
    const seconds = (performance.now() - start) / 1000 / repeats;
    for (const array of Object.values(weights)) array.release();
    return { seconds, loss: last };
  };
}
