/**
 * Ranges of memory: an array that is larger than the largest buffer lies in several.
 *
 * @module
 */

/** Memory in buffers one after another. */
export interface BufferList {
  readonly buffers: readonly GPUBuffer[];
  /** Bytes of each buffer but the last. */
  readonly bufferBytes: number;
}

/** Bytes of one buffer. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** The ranges that so many bytes from an offset on lie in, each in a stretch of `most` bytes. */
export function rangesOf(
  { buffers, bufferBytes }: BufferList,
  offset: number,
  bytes: number,
  most = bufferBytes,
): BufferRange[] {
  const ranges: BufferRange[] = [];
  for (let from = offset; from < offset + bytes;) {
    const place = Math.floor(from / bufferBytes);
    const within = from - place * bufferBytes;
    const size = Math.min(most, bufferBytes - within, offset + bytes - from);
    ranges.push({ buffer: buffers[place], offset: within, size });
    from += size;
  }
  return ranges;
}

/** Writes whole words at a place; the queue does so before it runs what is submitted later. */
export function writeWords(
  { queue }: GPUDevice,
  list: BufferList,
  offset: number,
  bytes: Uint8Array,
): void {
  let done = 0;
  for (const range of rangesOf(list, offset, bytes.length)) {
    queue.writeBuffer(range.buffer, range.offset, bytes, done, range.size);
    done += range.size;
  }
}
