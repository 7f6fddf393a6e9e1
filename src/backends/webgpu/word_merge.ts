/**
 * Writes of any bytes, though the queue writes whole words only: a word that is written in part is
 * merged with what is there, on the GPU.
 *
 * @module
 */
import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";
import { rangesOf } from "./buffer_ranges.ts";
import type { Gpu } from "./gpu.ts";
import { ALIGNMENT } from "./limits.ts";
import type { Recorder } from "./recorder.ts";
import { COMPUTE_STAGE } from "./usage.ts";

/** A write as the queue and the GPU do it. */
export interface SplitWrite {
  /** Whole words. */
  readonly whole: { readonly bytes: Uint8Array; readonly offset: number };
  /** Words at the ends of which only the bytes under the mask are written. */
  readonly parts: readonly WordPart[];
}

/** Some bytes of a word. */
export interface WordPart {
  readonly word: number;
  readonly bits: number;
  readonly mask: number;
}

const WORD = 4;

/** The bytes from `from` to `to` of the write that lie in one word. */
function partOf(bytes: Uint8Array, offset: number, from: number, to: number): WordPart {
  const word = Math.floor(from / WORD);
  const [bits, mask] = [new Uint8Array(WORD), new Uint8Array(WORD)];
  bits.set(bytes.subarray(from - offset, to - offset), from - word * WORD);
  mask.fill(0xff, from - word * WORD, to - word * WORD);
  const asWord = ({ buffer }: Uint8Array<ArrayBuffer>) => new Uint32Array(buffer)[0];
  return { word, bits: asWord(bits), mask: asWord(mask) };
}

/** Splits a write into whole words and the parts of words at its ends. */
export function splitWrite(bytes: Uint8Array, offset: number): SplitWrite {
  const end = offset + bytes.length;
  const first = Math.min(end, Math.ceil(offset / WORD) * WORD);
  const last = Math.max(first, end - end % WORD);
  const parts = [[offset, first], [last, end]].filter(([from, to]) => from < to);
  return {
    whole: { bytes: bytes.subarray(first - offset, last - offset), offset: first },
    parts: parts.map(([from, to]) => partOf(bytes, offset, from, to)),
  };
}

const CODE = `
@group(0) @binding(0) var<storage, read> part: array<u32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(1) fn main() {
  words[part[0]] = (words[part[0]] & ~part[2]) | part[1];
}`;

function mergePipeline(device: GPUDevice) {
  const layout = device.createBindGroupLayout({
    entries: (["read-only-storage", "storage"] as const).map((type, binding) => ({
      binding,
      visibility: COMPUTE_STAGE,
      buffer: { type },
    })),
  });
  const pipeline = device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code: CODE }), entryPoint: "main" },
  });
  return { pipeline, layout, x: 1, y: 1 };
}

/** Makes the function that records the merge of a part into a word of a buffer. */
export function createMerge(
  { device }: Gpu,
  recorder: Recorder,
  pool: BufferPool,
): (target: PooledBuffer, part: WordPart) => void {
  let made: ReturnType<typeof mergePipeline> | undefined;
  return (target, { word, bits, mask }) => {
    const pipeline = made ??= mergePipeline(device);
    const within = word * WORD % ALIGNMENT;
    const part = pool.take(3 * WORD);
    device.queue.writeBuffer(part.buffers[0], 0, Uint32Array.of(within / WORD, bits, mask));
    const [window] = rangesOf(target, word * WORD - within, within + WORD);
    const group = device.createBindGroup({
      layout: pipeline.layout,
      entries: [
        { binding: 0, resource: { buffer: part.buffers[0] } },
        { binding: 1, resource: window },
      ],
    });
    recorder.dispatch(pipeline, group);
    part.usedBy = target.usedBy = recorder.current;
    pool.give(part);
  };
}
