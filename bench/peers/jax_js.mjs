/**
 * jax-js as a rival: requests as lines of JSON, one answer each. Its argument is the device, "wasm"
 * or "webgpu".
 *
 * A benchmark copies this file beside the installed package and starts it with Deno.
 */
import { createInterface } from "node:readline";
import process from "node:process";

const name = "@jax-js/jax";
const { blockUntilReady, defaultDevice, init, jit, nn, numpy: np, tree, valueAndGrad } =
  await import(name);
const [device] = process.argv.slice(2);
if (!(await init(device)).includes(device)) throw new Error(`no device ${device} for jax-js`);
defaultDevice(device);

/** The numbers that every engine multiplies. */
function values(rows, columns, scale = 1) {
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => scale * ((i * 7919 % 1000) / 500 - 1),
  );
  return np.array(data).reshape([rows, columns]);
}

const product = {
  "A B": jit((a, b) => np.matmul(a, b)),
  "A Bt": jit((a, b) => np.matmul(a, b.transpose())),
  "At B": jit((a, b) => np.matmul(a.transpose(), b)),
};

/** Seconds of one product [m, k] times [k, n], the mean of `repeats`; and one of its elements. */
async function matmul({ form, m, n, k, repeats }) {
  const a = form === "At B" ? values(k, m) : values(m, k);
  const b = form === "A Bt" ? values(n, k) : values(k, n);
  const multiply = product[form];
  const first = multiply(a.ref, b.ref);
  const sample = (await first.data())[m === 1 ? 1 : n + 1];
  const start = performance.now();
  for (let i = 0; i < repeats; i++) {
    const result = multiply(a.ref, b.ref);
    await blockUntilReady(result);
    result.dispose();
  }
  const seconds = (performance.now() - start) / 1000 / repeats;
  a.dispose();
  b.dispose();
  return { seconds, sample };
}

function mlpLoss({ w1, b1, w2, b2 }, x, y) {
  const hidden = nn.relu(np.matmul(x, w1).add(b1));
  return np.square(np.matmul(hidden, w2).add(b2).sub(y)).mean();
}

const RATE = 0.01;
const mlpStep = jit((parameters, x, y) => {
  const [loss, gradients] = valueAndGrad(mlpLoss)(tree.ref(parameters), x, y);
  return [tree.map((w, g) => w.sub(g.mul(RATE)), parameters, gradients), loss];
});

/** Seconds of a training step of a two-layer perceptron by plain descent, and the last loss. */
async function mlp({ batch, width, hidden, repeats }) {
  let parameters = {
    w1: values(width, hidden, 0.05),
    b1: np.zeros([hidden]),
    w2: values(hidden, width, 0.05),
    b2: np.zeros([width]),
  };
  const x = values(batch, width);
  const y = values(batch, width, 0.5);
  let loss = 0;
  const step = async () => {
    const [next, value] = mlpStep(parameters, x.ref, y.ref);
    parameters = next;
    loss = (await value.data())[0];
  };
  await step();
  const start = performance.now();
  for (let i = 0; i < repeats; i++) await step();
  const seconds = (performance.now() - start) / 1000 / repeats;
  tree.dispose(parameters);
  x.dispose();
  y.dispose();
  return { seconds, loss };
}

const COMMANDS = { matmul, mlp };

function answer(reply) {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

answer({ ready: name });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...request } = JSON.parse(line);
  try {
    answer(await COMMANDS[command](request));
  } catch (error) {
    answer({ error: String(error?.message ?? error) });
  }
}
process.exit(0);
