import { assertEquals, assertThrows } from "@std/assert";
import { keyOf, normals, OutriderError, threefry } from "../../src/core/mod.ts";
import { requantiseBlocks } from "../../src/core/requantise.ts";
import { dequantize, quantize } from "../../src/io/quantization.ts";

const FORMATS = [["packed_q4_0", "Q4_0"], ["packed_q4_1", "Q4_1"]] as const;
const BLOCKS = 500;

function units(bytes: Uint8Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  return new Uint16Array(bytes.buffer, 0, bytes.length / 2);
}

/** Blocks of every size of scale, some of few levels, some of random finite halves and levels. */
function blocksOf(format: "Q4_0" | "Q4_1"): Uint8Array<ArrayBuffer> {
  const values = normals(keyOf(5), 32 * BLOCKS);
  values.forEach((value, i) => {
    const block = Math.floor(i / 32);
    const coarse = block % 3 === 1 ? Math.round(value) : block % 3 === 2 ? Math.abs(value) : value;
    values[i] = coarse * 10 ** (block % 9 - 5);
  });
  const bytes = quantize(format, values);
  const blockBytes = bytes.length / BLOCKS;
  return bytes.map((byte, i) => {
    const [block, within] = [Math.floor(i / blockBytes), i % blockBytes];
    if (block % 4 !== 3) return byte;
    const noise = threefry(keyOf(9), i, block)[0] & 255;
    const isUpperHalf = within === 1 || (within === 3 && format === "Q4_1");
    // An exponent below all ones keeps a half finite.
    return isUpperHalf ? noise & 0xbf : block % 8 === 3 ? noise : noise & 0x77;
  });
}

for (const [type, format] of FORMATS) {
  Deno.test(`${format} blocks become the Q8_0 blocks of their values, to the bit`, () => {
    const blocks = blocksOf(format);
    const expected = quantize("Q8_0", dequantize(format, blocks));
    const result = new Uint8Array(34 * BLOCKS);
    requantiseBlocks(type, units(blocks), units(result));
    assertEquals(result, expected);
  });

  Deno.test(`${format} blocks of zeros become zeros`, () => {
    const blocks = quantize(format, new Float32Array(64));
    const result = new Uint8Array(68).fill(1);
    requantiseBlocks(type, units(blocks), units(result));
    assertEquals(dequantize("Q8_0", result), new Float32Array(64));
  });

  Deno.test(`${format} blocks with a scale that is no number are refused`, () => {
    const blocks = quantize(format, new Float32Array(32).fill(1));
    blocks.set([0, 0x7e]);
    const convert = () => requantiseBlocks(type, units(blocks), new Uint16Array(17));
    assertThrows(convert, OutriderError, "finite");
  });
}
