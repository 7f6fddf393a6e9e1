/**
 * The rivals: what they are, at which version, and how each is started.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { npmFolder, pythonWith } from "./install.ts";
import { type Peer, startPeer } from "./peer_process.ts";

const LLAMA_CPP = "3.22.1";
const JAX_JS = "0.1.25";
const TFJS = "4.22.0";
const TORCH = "2.13.0";

type Log = (text: string) => void;

/** Puts one of the scripts of `bench/peers` beside the packages that it imports. */
async function scriptBeside(folder: string, name: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.copyFile(new URL(`../peers/${name}`, import.meta.url), path);
  return path;
}

/** The package with the native engine's binary for this machine. */
function llamaCppBinary(): string {
  const { os, arch } = Deno.build;
  const names: Readonly<Record<string, string>> = {
    "linux x86_64": "linux-x64",
    "linux aarch64": "linux-arm64",
    "darwin aarch64": "mac-arm64-metal",
    "darwin x86_64": "mac-x64",
    "windows x86_64": "win-x64",
  };
  const name = names[`${os} ${arch}`];
  if (name !== undefined) return `@node-llama-cpp/${name}@${LLAMA_CPP}`;
  throw new OutriderError("a machine with a prebuilt engine", `${os} ${arch}`, "use another one");
}

/** Native llama.cpp through node-llama-cpp, under Node, on the processor. */
export async function startLlamaCpp(log: Log): Promise<Peer> {
  const packages = [`node-llama-cpp@${LLAMA_CPP}`, llamaCppBinary()];
  const folder = await npmFolder(`node-llama-cpp-${LLAMA_CPP}`, packages, log);
  const args = [await scriptBeside(folder, "llama_cpp.mjs")];
  return await startPeer({ name: `llama.cpp ${LLAMA_CPP}`, program: "node", args, cwd: folder });
}

/** A script in the Deno that runs the benchmark, beside the packages that it imports. */
async function startDeno(
  name: string,
  folder: string,
  script: string,
  args: readonly string[],
): Promise<Peer> {
  const path = await scriptBeside(folder, script);
  const run = ["run", "-A", "--no-lock", "--node-modules-dir=manual", path, ...args];
  return await startPeer({ name, program: Deno.execPath(), args: run, cwd: folder });
}

/** jax-js, on its WebAssembly device unless told otherwise. */
export async function startJaxJs(log: Log, device: "wasm" | "webgpu" = "wasm"): Promise<Peer> {
  const folder = await npmFolder(`jax-js-${JAX_JS}`, [`@jax-js/jax@${JAX_JS}`], log);
  return await startDeno(`jax-js ${JAX_JS}`, folder, "jax_js.mjs", [device]);
}

/** TensorFlow.js on WebGPU. */
export async function startTfjsWebgpu(log: Log): Promise<Peer> {
  const names = ["core", "backend-cpu", "backend-webgpu"];
  const packages = names.map((name) => `@tensorflow/tfjs-${name}@${TFJS}`);
  const folder = await npmFolder(`tfjs-webgpu-${TFJS}`, packages, log);
  return await startDeno(`tfjs ${TFJS}`, folder, "tfjs_webgpu.mjs", []);
}

/** Vectors that PyTorch may use: the machine's widest, or those of the machines that targets name. */
export type TorchVectors = "widest" | "256 bits";

const TORCH_ENVIRONMENT: { readonly [vectors in TorchVectors]: Readonly<Record<string, string>> } =
  {
    widest: {},
    "256 bits": {
      ATEN_CPU_CAPABILITY: "avx2",
      ONEDNN_MAX_CPU_ISA: "AVX2",
      MKL_ENABLE_INSTRUCTIONS: "AVX2",
    },
  };

/** PyTorch on the processor. */
export async function startTorch(log: Log, vectors: TorchVectors = "widest"): Promise<Peer> {
  const python = await pythonWith(`torch-${TORCH}`, [`torch==${TORCH}`], log);
  const folder = python.slice(0, python.lastIndexOf("/bin/"));
  await scriptBeside(folder, "torch_llama.py");
  const args = ["-u", await scriptBeside(folder, "torch_peer.py")];
  const name = vectors === "widest" ? `PyTorch ${TORCH}` : `PyTorch ${TORCH} in ${vectors}`;
  const env = TORCH_ENVIRONMENT[vectors];
  return await startPeer({ name, program: python, args, cwd: folder, env });
}
