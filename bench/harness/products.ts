/**
 * Matrix products on our backend and on the rivals', of the same numbers.
 *
 * @module
 */
import { hostTensor, matmul, type Tensor, transpose } from "@outrider/outrider/core";
import { compile, type Device, type DeviceArray, read, upload } from "@outrider/outrider/runtime";
import { numberIn, type Peer } from "./peer_process.ts";

/** A product [m, k] times [k, n]; `form` says which factor is stored transposed. */
export interface Product {
  readonly name: string;
  readonly form: "A B" | "A Bt" | "At B";
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Speed, and one element of the result, by which engines are compared. */
export interface TimedProduct {
  readonly gigaflops: number;
  readonly sample: number;
}

function values(rows: number, columns: number): ReturnType<typeof hostTensor> {
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => (i * 7919 % 1000) / 500 - 1,
  );
  return hostTensor(data, [rows, columns]);
}

const FORMS: { readonly [form in Product["form"]]: (a: Tensor, b: Tensor) => Tensor } = {
  "A B": matmul,
  "A Bt": (a, b) => matmul(a, transpose(b)),
  "At B": (a, b) => matmul(transpose(a), b),
};

function gigaflops({ m, n, k }: Product, seconds: number): number {
  return 2 * m * n * k / seconds / 1e9;
}

/** Our product; operands are uploaded and the plan is compiled once, before the first call. */
export function ourProduct(
  device: Device,
  product: Product,
  repeats: number,
): () => Promise<TimedProduct> {
  const { form, m, n, k } = product;
  const multiply = compile(device, FORMS[form], { name: `the product ${product.name}` });
  const a = upload(device, form === "At B" ? values(k, m) : values(m, k));
  const b = upload(device, form === "A Bt" ? values(n, k) : values(k, n));
  const finished = (result: DeviceArray) => read(result, m === 1 ? 1 : n + 1, 1);
  return async () => {
    using first = multiply(a, b);
    const [sample] = await finished(first);
    const start = performance.now();
    for (let i = 0; i < repeats; i++) {
      using result = multiply(a, b);
      await finished(result);
    }
    const seconds = (performance.now() - start) / 1000 / repeats;
    return { gigaflops: gigaflops(product, seconds), sample };
  };
}

/** The same on a rival with the given number of threads, where it can be told. */
export function peerProduct(
  peer: Peer,
  product: Product,
  settings: { readonly repeats: number; readonly threads?: number },
): () => Promise<TimedProduct> {
  const { form, m, n, k } = product;
  return async () => {
    const reply = await peer.ask({ command: "matmul", form, m, n, k, ...settings });
    const speed = gigaflops(product, numberIn(reply, "seconds"));
    return { gigaflops: speed, sample: numberIn(reply, "sample") };
  };
}
