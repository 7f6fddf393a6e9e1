/**
 * One member out of a zip archive (a Python wheel is one): central directory, stored or deflated.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { ByteSource } from "./bytes.ts";

/** One file of an archive, as its central directory describes it. */
export interface ZipMember {
  /** The path within the archive. */
  readonly name: string;
  /** Size in bytes once unpacked. */
  readonly size: number;
  /** Size in bytes as it lies in the archive. */
  readonly packedSize: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  /** Offset of its local header. */
  readonly offset: number;
}

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const LARGEST_COMMENT = 65535;
const CHUNK_BYTES = 1 << 20;

function damaged(source: ByteSource, found: string): OutriderError {
  return new OutriderError(`a zip archive in ${source.name}`, found, "get the archive again");
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Finds the end record, which lies before a comment of unknown length. */
async function readEnd(source: ByteSource): Promise<{ entries: number; size: number; at: number }> {
  const tailBytes = Math.min(source.size, END_BYTES + LARGEST_COMMENT);
  const tail = viewOf(await source.read(source.size - tailBytes, tailBytes));
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_SIGNATURE) continue;
    return {
      entries: tail.getUint16(at + 10, true),
      size: tail.getUint32(at + 12, true),
      at: tail.getUint32(at + 16, true),
    };
  }
  throw damaged(source, "no end of central directory");
}

/**
 * Lists the members of a zip archive (without zip64, so below 4 GiB).
 *
 * @throws {OutriderError} when the bytes are not a whole zip archive.
 */
export async function listZip(source: ByteSource): Promise<ZipMember[]> {
  const end = await readEnd(source);
  const bytes = await source.read(end.at, end.size);
  const view = viewOf(bytes);
  const members: ZipMember[] = [];
  let at = 0;
  while (members.length < end.entries) {
    if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY_SIGNATURE) {
      throw damaged(source, `a broken directory entry ${members.length}`);
    }
    const nameBytes = view.getUint16(at + 28, true);
    members.push({
      name: new TextDecoder().decode(
        bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes),
      ),
      method: view.getUint16(at + 10, true),
      packedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at += ENTRY_BYTES + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return members;
}

/** The packed bytes of a member, in chunks. */
async function packedBytes(
  source: ByteSource,
  member: ZipMember,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const header = viewOf(await source.read(member.offset, LOCAL_BYTES));
  if (header.getUint32(0, true) !== LOCAL_SIGNATURE) {
    throw damaged(source, `no local header for ${member.name}`);
  }
  const start = member.offset + LOCAL_BYTES + header.getUint16(26, true) +
    header.getUint16(28, true);
  let done = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const length = Math.min(CHUNK_BYTES, member.packedSize - done);
      if (length === 0) return controller.close();
      controller.enqueue(await source.read(start + done, length));
      done += length;
    },
  });
}

/**
 * Unpacks one member, chunk by chunk, and checks its size.
 *
 * @throws {OutriderError} when the method is unknown, the data do not inflate, or the size differs.
 */
export async function* unpackZipMember(
  source: ByteSource,
  member: ZipMember,
): AsyncGenerator<Uint8Array> {
  if (member.method !== 0 && member.method !== 8) {
    throw damaged(source, `packing method ${member.method} for ${member.name}`);
  }
  const packed = await packedBytes(source, member);
  const stream: ReadableStream<Uint8Array> = member.method === 0
    ? packed
    : packed.pipeThrough(new DecompressionStream("deflate-raw"));
  let done = 0;
  try {
    for await (const chunk of stream) {
      done += chunk.length;
      if (done > member.size) break;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof OutriderError) throw error;
    throw damaged(source, `data of ${member.name} that do not unpack (${error})`);
  }
  if (done !== member.size) throw damaged(source, `${member.name} of another size than listed`);
}
