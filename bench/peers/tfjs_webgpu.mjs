/**
 * TensorFlow.js on WebGPU as a rival: requests as lines of JSON, one answer each.
 *
 * A benchmark copies this file beside the installed packages and starts it with Deno.
 */
import { createInterface } from "node:readline";
import process from "node:process";

const [core, backend] = ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgpu"];
const tf = await import(core);
await import(backend);
if (!await tf.setBackend("webgpu")) throw new Error("no WebGPU adapter for tfjs");
await tf.ready();

/** The numbers that every engine multiplies. */
function values(rows, columns) {
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => (i * 7919 % 1000) / 500 - 1,
  );
  return tf.tensor2d(data, [rows, columns]);
}

/**
 * Seconds of one product [m, k] times [k, n], the mean of `repeats`; and one of its elements. An
 * element is read, for it is then that tfjs submits its work.
 */
async function matmul({ form, m, n, k, repeats }) {
  const a = form === "At B" ? values(k, m) : values(m, k);
  const b = form === "A Bt" ? values(n, k) : values(k, n);
  const multiply = async () => {
    const result = tf.matMul(a, b, form === "At B", form === "A Bt");
    const element = tf.slice(result, m === 1 ? [0, 1] : [1, 1], [1, 1]);
    const [sample] = await element.data();
    tf.dispose([result, element]);
    return sample;
  };
  const sample = await multiply();
  const start = performance.now();
  for (let i = 0; i < repeats; i++) await multiply();
  const seconds = (performance.now() - start) / 1000 / repeats;
  tf.dispose([a, b]);
  return { seconds, sample };
}

const COMMANDS = { matmul };

function answer(reply) {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

answer({ ready: "tfjs" });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...request } = JSON.parse(line);
  try {
    answer(await COMMANDS[command](request));
  } catch (error) {
    answer({ error: String(error?.message ?? error) });
  }
}
process.exit(0);
