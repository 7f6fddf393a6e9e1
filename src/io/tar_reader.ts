/**
 * Files out of a tar archive (an npm package is one, gzipped), one after another as it streams by.
 *
 * Reads the formats that are written today: ustar, and pax with long paths and sizes.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** One file of a tar archive. */
export interface TarFile {
  /** The path within the archive, as written there: never to be used as a path on this machine. */
  readonly name: string;
  /** Its contents. */
  readonly bytes: Uint8Array;
}

const BLOCK_BYTES = 512;
/** Where a header's fields lie, as start and length. */
const FIELDS = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  kind: [156, 1],
  magic: [257, 5],
  prefix: [345, 155],
} as const;
/** Larger files are passed over; held in memory, one could stand for anything. */
const LARGEST_FILE = 2 ** 28;

type FieldName = keyof typeof FIELDS;

/** A header: what follows it, under which name, and how long it is. */
interface TarHeader {
  readonly name: string;
  /** "0" a file, "x" a pax header for the next entry, and others that are passed over. */
  readonly kind: string;
  readonly size: number;
}

function fieldOf(block: Uint8Array, field: FieldName): string {
  const [start, length] = FIELDS[field];
  const bytes = block.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(text: string): number {
  const digits = text.trim();
  return /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : NaN;
}

/** The sum of a header's bytes, its own checksum counted as spaces. */
function checksumOf(block: Uint8Array): number {
  const [start, length] = FIELDS.checksum;
  const own = block.subarray(start, start + length).reduce((sum, byte) => sum + byte, 0);
  return block.reduce((sum, byte) => sum + byte, 0) - own + length * 0x20;
}

function damaged(archive: string, found: string): OutriderError {
  return new OutriderError(`a tar archive in ${archive}`, found, "get the archive again");
}

function readHeader(block: Uint8Array, archive: string): TarHeader {
  if (octal(fieldOf(block, "checksum")) !== checksumOf(block)) {
    throw damaged(archive, "a header with a wrong checksum");
  }
  const size = octal(fieldOf(block, "size"));
  if (Number.isNaN(size)) throw damaged(archive, "a header without a size");
  const prefix = fieldOf(block, "magic") === "ustar" ? fieldOf(block, "prefix") : "";
  const name = fieldOf(block, "name");
  const kind = fieldOf(block, "kind");
  return { name: prefix === "" ? name : `${prefix}/${name}`, kind: kind === "" ? "0" : kind, size };
}

/** The records of a pax header: lines of "length key=value". */
function paxRecords(bytes: Uint8Array, archive: string): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(new TextDecoder().decode(bytes.subarray(at, space)));
    if (!(length > space - at) || at + length > bytes.length) {
      throw damaged(archive, "a broken extended header");
    }
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** Reads and skips over chunks of any sizes. */
interface ChunkReader {
  /** The next bytes; undefined where the chunks are over. */
  readonly take: (length: number) => Promise<Uint8Array | undefined>;
  /** Passes over bytes; false where the chunks are over. */
  readonly skip: (length: number) => Promise<boolean>;
  /** Lets the source go. */
  readonly close: () => Promise<void>;
}

function chunkReader(chunks: AsyncIterable<Uint8Array>): ChunkReader {
  const source = chunks[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  /** Hands on up to `length` bytes in pieces; false where the chunks are over before. */
  const each = async (length: number, use: (piece: Uint8Array) => void): Promise<boolean> => {
    for (let left = length; left > 0;) {
      if (rest.length === 0) {
        const { done, value } = await source.next();
        if (done === true) return false;
        rest = value;
      }
      const piece = rest.subarray(0, left);
      use(piece);
      rest = rest.subarray(piece.length);
      left -= piece.length;
    }
    return true;
  };
  return {
    take: async (length) => {
      const bytes = new Uint8Array(length);
      let at = 0;
      const isWhole = await each(length, (piece) => {
        bytes.set(piece, at);
        at += piece.length;
      });
      return isWhole ? bytes : undefined;
    },
    skip: (length) => each(length, () => {}),
    close: async () => {
      await source.return?.();
    },
  };
}

/**
 * The files of a tar archive whose names are wanted, in their order, each held in memory whole.
 *
 * @example
 * ```ts
 * import { unpackTar } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * const chunks = new Blob(["no archive"]).stream();
 * await assertRejects(() => Array.fromAsync(unpackTar(chunks, "a.tar", () => true)), Error, "a.tar");
 * ```
 *
 * @param chunks the archive's bytes, decompressed
 * @param archive how errors name it
 * @param wanted which names to unpack; others are passed over without holding them
 * @throws {OutriderError} where the bytes are not a whole tar archive
 */
export async function* unpackTar(
  chunks: AsyncIterable<Uint8Array>,
  archive: string,
  wanted: (name: string) => boolean,
): AsyncGenerator<TarFile> {
  const reader = chunkReader(chunks);
  const whole = async (bytes: Promise<Uint8Array | undefined>): Promise<Uint8Array> => {
    const found = await bytes;
    if (found === undefined) throw damaged(archive, "an end in the middle");
    return found;
  };
  let extended: ReadonlyMap<string, string> = new Map();
  try {
    while (true) {
      const block = await whole(reader.take(BLOCK_BYTES));
      if (block.every((byte) => byte === 0)) return;
      const { kind, ...header } = readHeader(block, archive);
      const name = extended.get("path") ?? header.name;
      const size = Number(extended.get("size") ?? header.size);
      if (!Number.isSafeInteger(size) || size < 0) throw damaged(archive, `a size of ${size}`);
      const isFile = kind === "0" && wanted(name);
      if (size > LARGEST_FILE && (isFile || kind === "x")) {
        throw damaged(archive, `${name} of ${size} bytes`);
      }
      const padding = (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
      if (isFile || kind === "x") {
        const bytes = await whole(reader.take(size));
        extended = kind === "x" ? paxRecords(bytes, archive) : new Map();
        if (isFile) yield { name, bytes };
      } else {
        if (!await reader.skip(size)) throw damaged(archive, "an end in the middle");
        extended = new Map();
      }
      if (!await reader.skip(padding)) throw damaged(archive, "an end in the middle");
    }
  } finally {
    await reader.close();
  }
}
