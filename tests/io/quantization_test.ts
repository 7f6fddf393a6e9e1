import { assert, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf, normals } from "../../src/core/random.ts";
import {
  dequantize,
  formatBytes,
  quantize,
  TENSOR_FORMAT_NAMES,
  TENSOR_FORMATS,
  type TensorFormat,
} from "../../src/io/quantization.ts";
import { firstNonFiniteBlock } from "../../src/io/finite_check.ts";

/** Where each format's blocks hold 16-bit floats. */
const HALVES: Readonly<Record<string, readonly number[]>> = {
  F16: [0],
  BF16: [0],
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};

/** Bytes of a linear congruential generator, with the 16-bit floats kept below 2. */
function seededBlocks(format: TensorFormat, blocks: number, seed: number): Uint8Array {
  const { blockBytes } = TENSOR_FORMATS[format];
  let state = seed;
  const bytes = Uint8Array.from({ length: blocks * blockBytes }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let block = 0; block < blocks; block++) {
    for (const at of HALVES[format]) bytes[block * blockBytes + at + 1] &= 0xbf;
  }
  return bytes;
}

async function sha256(
  values: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", values);
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

// What the numpy dequantisers of the PyPI package gguf 0.19.0 make of the same blocks.
const GOLDEN: readonly {
  readonly format: TensorFormat;
  readonly blocks: number;
  readonly sha256: string;
  readonly first: readonly number[];
}[] = [
  {
    format: "F16",
    blocks: 256,
    sha256: "f576187d8ece39d0077ccd112e1870e0798eaca3abfe66552df43717171d505c",
    first: [0.0060882568359375, -0.281494140625, 0.0059051513671875, -0.0004134178161621094],
  },
  {
    format: "BF16",
    blocks: 256,
    sha256: "b34ee91a5964d437b0fba0a763426769d89fa00a8e92fcaf5ac74c9203737023",
    first: [7.003545761108398e-07, -0.04296875, 1.937587866844212e-20, 4.291534423828125e-05],
  },
  {
    format: "Q8_0",
    blocks: 8,
    sha256: "231bcd1b1f44f9cb7cc9077dd487a21f5388fe227d3c4f90348611fd2a1f04ae",
    first: [
      0.008528709411621094,
      0.014731407165527344,
      -0.025327682495117188,
      0.009045600891113281,
    ],
  },
  {
    format: "Q4_0",
    blocks: 8,
    sha256: "41f8977de11a686cd6cbf8f358dacd11a8acdcec0c19a53bf7d5bd0dcf1aab35",
    first: [-0.0992431640625, 0.13232421875, -0.066162109375, -0.066162109375],
  },
  {
    format: "Q4_1",
    blocks: 8,
    sha256: "03a4ed3c38b300b0d161e55e074ccb007c8c46f543ecb85fe9c3392634c5377a",
    first: [-6.333126068115234, -10.854610443115234, -13.567501068115234, -7.237422943115234],
  },
  {
    format: "Q5_0",
    blocks: 8,
    sha256: "96625ddd8cc05f5f4a8e5316451e0fe1a627093ccaf959ee219770b965843efb",
    first: [
      -0.010661125183105469,
      0.009899616241455078,
      -0.01142263412475586,
      -0.009899616241455078,
    ],
  },
  {
    format: "Q5_1",
    blocks: 8,
    sha256: "f3116c2a18e1e36b476c4e12974c04c8f5cef2ce9f96f2432f33b60120e13c20",
    first: [-0.128570556640625, -0.537811279296875, -1.110748291015625, -1.06982421875],
  },
  {
    format: "Q4_K",
    blocks: 8,
    sha256: "483e1af6ce23d6257a10d454442be1ef652edd7e02f23659f6b36d072ebe24ad",
    first: [7.4920878410339355, 7.4920878410339355, 7.4827351570129395, 7.491048812866211],
  },
  {
    format: "Q5_K",
    blocks: 8,
    sha256: "9defd2638fcbb1e2beebaceb9a8e2062980620ea7c61e3bee50a8aead8988e08",
    first: [0.6143044233322144, 0.27284133434295654, 0.9557675123214722, 0.3411339521408081],
  },
  {
    format: "Q6_K",
    blocks: 8,
    sha256: "ae6f791444a04bcc9bc79b34a590d9328210842c891e806f8c5b637e382eb36b",
    first: [15.101921081542969, -24.639976501464844, 17.486434936523438, -19.870948791503906],
  },
];

for (const [index, { format, blocks, sha256: expected, first }] of GOLDEN.entries()) {
  Deno.test(`${format} dequantises to the bits of ggml's own tools`, async () => {
    const values = dequantize(format, seededBlocks(format, blocks, index + 1));
    assertEquals(Array.from(values.subarray(0, 4)), first);
    assertEquals(await sha256(values), expected);
  });
}

// What the numpy quantisers of the same package make of the same 2,048 values.
const GOLDEN_BLOCKS = [
  ["F16", "3f72b037884880060fb11a9b8846861ac5c2efb100316c21aa56c9afbadd30e8"],
  ["BF16", "45dcdd4a82c3b89f9409c4da78631c61f4edc7cc48a49337e7522f76a1bd8c9e"],
  ["Q8_0", "fd79034d9f67d55426804e9896b707cc7e82a35f2585cb4bf8eec66f443f61e6"],
  ["Q4_0", "09206da3575c4568c0e7d69b8518cd082e477e1a487c8de08dcc7fbd7370e662"],
  ["Q4_1", "0a1424c3b43f5000e6bd62e86a5c9f0830fe5d79f106e539ba44b1b47acf7515"],
] as const;

for (const [format, expected] of GOLDEN_BLOCKS) {
  Deno.test(`${format} quantises to the bytes of ggml's own tools`, async () => {
    let state = 77;
    const values = Float32Array.from({ length: 2048 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 8) / 2 ** 23 - 1;
    });
    assertEquals(await sha256(quantize(format, values)), expected);
  });
}

Deno.test("a Q4_1 block by hand: low nibbles first, value = q d + m", () => {
  const block = new Uint8Array(20);
  block.set([0x00, 0x38, 0x00, 0xc0]); // d = 0.5, m = -2
  for (let j = 0; j < 16; j++) block[4 + j] = j | ((15 - j) << 4);
  const values = dequantize("Q4_1", block);
  assertEquals(Array.from(values.subarray(0, 3)), [-2, -1.5, -1]);
  assertEquals(Array.from(values.subarray(16, 19)), [5.5, 5, 4.5]);
});

Deno.test("a Q5_0 block by hand: the fifth bit of value j is bit j of the word", () => {
  const block = new Uint8Array(22);
  block.set([0x00, 0x3c, 0b10, 0, 0b1, 0]); // d = 1; fifth bits of values 1 and 16
  const values = dequantize("Q5_0", block);
  assertEquals(values[0], -16);
  assertEquals(values[1], 0);
  assertEquals(values[16], 0);
  assertEquals(values[17], -16);
});

Deno.test("a Q6_K block by hand: nibble, upper pair, signed scale", () => {
  const block = new Uint8Array(210);
  block[0] = 0x0f; // low nibble of value 0
  block[128] = 0b11; // upper pair of value 0: q = 63
  block[192] = 0xfe; // scale of values 0..15: -2
  block[209] = 0x3c; // d = 1
  const values = dequantize("Q6_K", block);
  assertEquals(values[0], 1 * -2 * (63 - 32));
  assertEquals(values[1], 1 * -2 * (0 - 32));
  assertEquals(values[16], 0);
});

Deno.test("Q4_K takes the scales of sub-blocks 4..7 from two places", () => {
  const block = new Uint8Array(144);
  block.set([0x00, 0x3c, 0x00, 0x3c]); // d = dmin = 1
  block[4] = 0b11_000000; // upper bits of scale 4
  block[8] = 0b01_000000; // upper bits of minimum 4
  block[12] = 0x25; // scale 4 has low nibble 5, minimum 4 has low nibble 2
  block.fill(0x11, 16);
  const values = dequantize("Q4_K", block);
  assertEquals(values[0], 0);
  assertEquals(values[128], (0b110000 | 5) * 1 - (0b010000 | 2));
});

Deno.test("every F16 pattern that is a number survives dequantise and quantise", () => {
  const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i)
    .filter((bits) => (bits & 0x7c00) !== 0x7c00 || (bits & 0x3ff) === 0);
  const bytes = new Uint8Array(patterns.buffer);
  assertEquals(quantize("F16", dequantize("F16", bytes)), bytes);
});

Deno.test("every BF16 pattern that is a number survives dequantise and quantise", () => {
  const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i)
    .filter((bits) => (bits & 0x7f80) !== 0x7f80 || (bits & 0x7f) === 0);
  const bytes = new Uint8Array(patterns.buffer);
  assertEquals(quantize("BF16", dequantize("BF16", bytes)), bytes);
});

Deno.test("16-bit floats round to nearest, ties to even", () => {
  const roundedBy = (format: "F16" | "BF16", value: number): number =>
    dequantize(format, quantize(format, Float32Array.of(value)))[0];
  assertEquals(roundedBy("F16", 2049), 2048);
  assertEquals(roundedBy("F16", 2051), 2052);
  assertEquals(roundedBy("F16", 70000), Infinity);
  assertEquals(roundedBy("BF16", 257), 256);
  assertEquals(roundedBy("BF16", 259), 260);
  assert(Number.isNaN(roundedBy("BF16", NaN)));
});

// Half a step of the scale, and for 4 bits the step that the clipped end of the range may add.
const LARGEST_ERROR = { Q8_0: 0.51 / 127, Q4_0: 1.01 / 8, Q4_1: 0.51 * 2 / 15 } as const;

for (const format of ["Q8_0", "Q4_0", "Q4_1"] as const) {
  Deno.test(`${format} keeps every value within its step`, () => {
    const values = normals(keyOf(11), 64 * 32);
    const back = dequantize(format, quantize(format, values));
    for (let i = 0; i < values.length; i += 32) {
      const block = values.subarray(i, i + 32);
      const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let j = 0; j < 32; j++) {
        const error = Math.abs(block[j] - back[i + j]);
        assert(error <= (LARGEST_ERROR[format] + 0.001) * largest, `${error} of ${largest}`);
      }
    }
  });

  Deno.test(`${format} keeps zeros zero`, () => {
    const zeros = new Float32Array(64);
    assert(dequantize(format, quantize(format, zeros)).every((value) => value === 0));
  });

  Deno.test(`${format} refuses what it cannot hold`, () => {
    for (const bad of [NaN, Infinity, 3e38]) {
      const values = new Float32Array(32);
      values[7] = bad;
      assertThrows(() => quantize(format, values), OutriderError);
    }
  });
}

Deno.test("a part of a block is refused in every format", () => {
  for (const format of TENSOR_FORMAT_NAMES) {
    const { blockBytes, blockSize } = TENSOR_FORMATS[format];
    assertThrows(() => dequantize(format, new Uint8Array(blockBytes + 1)), OutriderError);
    if (blockSize > 1) assertThrows(() => formatBytes(format, blockSize + 1), OutriderError);
    assertEquals(formatBytes(format, 3 * blockSize), 3 * blockBytes);
  }
});

Deno.test("NaN and infinity are found in every format without decoding", () => {
  for (const format of TENSOR_FORMAT_NAMES) {
    const { blockBytes, blockSize } = TENSOR_FORMATS[format];
    const clean = new Uint8Array(4 * blockBytes);
    assertEquals(firstNonFiniteBlock(format, clean), -1);
    const floats = format === "F32" ? [2] : HALVES[format];
    for (const at of floats) {
      const damaged = clean.slice();
      damaged.set(
        format === "F32" || format === "BF16" ? [0x80, 0x7f] : [0x01, 0x7c],
        2 * blockBytes + at,
      );
      assertEquals(firstNonFiniteBlock(format, damaged), 2);
      assert(dequantize(format, damaged).subarray(2 * blockSize).some((x) => !Number.isFinite(x)));
    }
  }
});
