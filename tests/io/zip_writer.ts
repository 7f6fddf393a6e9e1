/** A minimal zip writer, to make archives for tests. */

import { concat } from "./random_bytes.ts";

/** A file to put into an archive; `packed` and `size` replace what would be right. */
export interface ZipInput {
  readonly name: string;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly method: number;
  readonly packed?: Uint8Array;
  readonly size?: number;
}

/** Compresses bytes without a header. */
export async function deflateRaw(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([data]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fields(...entries: readonly (readonly [2 | 4, number])[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of entries) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

/** The bytes of an archive. */
export async function zipOf(files: readonly ZipInput[], comment: string): Promise<Uint8Array> {
  const locals: Uint8Array[] = [];
  const entries: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data, method, packed: given, size = data.length } of files) {
    const packed = given ?? (method === 8 ? await deflateRaw(data) : data);
    const nameBytes = new TextEncoder().encode(name);
    const shared = [
      [2, 20],
      [2, 0],
      [2, method],
      [2, 0],
      [2, 0],
      [4, 0],
      [4, packed.length],
      [
        4,
        size,
      ],
      [2, nameBytes.length],
      [2, 0],
    ] as const;
    const local = concat([fields([4, 0x04034b50], ...shared), nameBytes, packed]);
    const rest = [[2, 0], [2, 0], [2, 0], [4, 0], [4, offset]] as const;
    entries.push(concat([fields([4, 0x02014b50], [2, 20], ...shared, ...rest), nameBytes]));
    locals.push(local);
    offset += local.length;
  }
  const directory = concat(entries);
  const count = files.length;
  const commentBytes = new TextEncoder().encode(comment);
  const end = fields(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, directory.length],
    [4, offset],
    [2, commentBytes.length],
  );
  return concat([...locals, directory, end, commentBytes]);
}
