/** A device draws each token with its own share of the coins. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import { hostTensor } from "../../../src/core/host_tensor.ts";
import { broadcastTo } from "../../../src/core/movement_ops.ts";
import { foldIn, keyOf, normals, uniform } from "../../../src/core/random.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { probsOf, sample } from "../../../src/decode/mod.ts";
import { coinParts, roundedDown } from "../../../src/decode/on_device/coin_table.ts";
import { type CoinParts, drawTokens, runningSums } from "../../../src/decode/on_device/draw.ts";
import {
  compile,
  createDevice,
  type Device,
  read,
  releaseTree,
  uploadTree,
} from "../../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../../conformance/backends.ts";

/** Draws with many coins from one row of weights. */
type Draw = (weights: Float32Array, coins: readonly number[]) => Promise<readonly number[]>;

function drawOn(device: Device): Draw {
  const draw = compile(device, (weights: Tensor, coin: CoinParts<Tensor>) => {
    const [count] = coin.high.shape;
    return drawTokens(broadcastTo(weights, [count, weights.shape[1]]), coin);
  });
  return async (weights, coins) => {
    const row = hostTensor(weights, [1, weights.length]);
    const given = uploadTree(device, [row, coinParts(coins)] as const);
    const drawn = draw(...given);
    const tokens = [...await read(drawn)];
    releaseTree([given, drawn]);
    return tokens;
  };
}

/** Weights from even to sharp, many of them 0. */
function weightsOf(seed: number, count: number): Float32Array {
  const spread = [0.5, 3, 8][seed % 3];
  const values = normals(foldIn(keyOf(seed), count), count);
  return values.map((value, i) => (i + seed) % 5 === 0 ? 0 : Math.exp(spread * value));
}

/** The share of the coins, by halving, that draws a token up to each one: `[count]`. */
async function cumulativeShares(draw: Draw, weights: Float32Array): Promise<Float64Array> {
  const low = new Float64Array(weights.length);
  const high = new Float64Array(weights.length).fill(1);
  for (let i = 0; i < 54; i++) {
    const middle = [...low.map((value, token) => (value + high[token]) / 2)];
    const coins = middle.map((coin) => Math.min(coin, 1 - 2 ** -53));
    const drawn = await draw(weights, coins);
    drawn.forEach((token, bound) => (token <= bound ? low : high)[bound] = middle[bound]);
  }
  return high;
}

Deno.test("the share of coins that draws a token is the token's probability, to f32", async () => {
  const device = createDevice(wasmBackend());
  const draw = drawOn(device);
  for (const count of [1, 2, 40, 64, 65, 130, 700]) {
    for (const seed of [1, 2, 3]) {
      const weights = weightsOf(seed, count);
      if (count === 1) weights[0] = 0.3;
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const shares = await cumulativeShares(draw, weights);
      let [before, exact] = [0, 0];
      for (let token = 0; token < count; token++) {
        exact += weights[token] / total;
        assert(Math.abs(shares[token] - exact) < 2 ** -22, `${shares[token]} for ${exact}`);
        const share = shares[token] - before;
        if (weights[token] === 0) assertEquals(share, 0, `token ${token} cannot come`);
        before = shares[token];
      }
    }
  }
  device.close();
});

Deno.test("improbable tokens of one block come in their own proportions", async () => {
  const device = createDevice(wasmBackend());
  const draw = drawOn(device);
  const weights = new Float32Array(256);
  weights[0] = 1;
  // A block with 2^-20 of the mass, whose tokens a coin of 24 bits could not tell apart.
  for (let i = 0; i < 64; i++) weights[128 + i] = (1 + i % 3) * 2 ** -27;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = await cumulativeShares(draw, weights);
  const block = shares[191] - shares[127];
  const exact = weights.slice(128, 192).reduce((sum, weight) => sum + weight, 0);
  assert(Math.abs(block - exact / total) < 2 ** -24);
  for (let token = 129; token < 192; token++) {
    const within = (shares[token] - shares[token - 1]) / block;
    assert(Math.abs(within - weights[token] / exact) < 2 ** -20, `${within} of token ${token}`);
  }
  device.close();
});

for (const backend of BACKENDS) {
  testOn(backend, "tokens drawn on the device are those drawn on the host", async (made) => {
    const device = createDevice(made);
    const draw = drawOn(device);
    for (const count of [1, 3, 64, 200, 5000]) {
      const weights = weightsOf(count, count);
      if (count === 1) weights[0] = 1;
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const probs = probsOf(Float64Array.from(weights, (weight) => weight / total));
      const coins = Array.from({ length: 20 }, (_, i) => uniform(foldIn(keyOf(7), i)));
      const wanted = [0, ...coins].map((coin) => sample(probs, coin));
      assertEquals(await draw(weights, [0, ...coins]), wanted);
      const [last] = await draw(weights, [1 - 2 ** -53]);
      assertEquals(last, weights.findLastIndex((weight) => weight > 0));
    }
    device.close();
  });

  testOn(backend, "running sums are the sums to the rounding of f32", async (made) => {
    const device = createDevice(made);
    const sums = compile(device, runningSums);
    for (const count of [1, 64, 65, 4097]) {
      const weights = weightsOf(2, count);
      const given = uploadTree(device, [hostTensor(weights, [1, count])] as const);
      const made = sums(...given);
      const found = await read(made);
      let exact = 0;
      for (let i = 0; i < count; i++) {
        exact += weights[i];
        assert(Math.abs(found[i] - exact) <= exact * 2 ** -20, `place ${i} of ${count}`);
      }
      releaseTree([given, made]);
    }
    device.close();
  });
}

Deno.test("a coin rounded down is below the same f32 bounds as the coin", () => {
  for (let i = 0; i < 2000; i++) {
    const coin = uniform(foldIn(keyOf(11), i)) * 2 ** -(i % 30);
    const down = roundedDown(coin);
    assert(Math.fround(down) === down && down <= coin && coin - down <= coin * 2 ** -23);
    for (const bound of [Math.fround(coin), Math.fround(coin * (1 + 2 ** -24))]) {
      assertEquals(down < bound, coin < bound);
    }
  }
  assertEquals([0, 1 - 2 ** -53, 0.5].map(roundedDown), [0, 1 - 2 ** -24, 0.5]);
});
