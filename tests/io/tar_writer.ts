/** A minimal tar writer, to make archives for tests. */

import { concat } from "./random_bytes.ts";

/** An entry to put into an archive. */
export interface TarInput {
  readonly name: string;
  readonly data: Uint8Array;
  /** "0" a file (default), "5" a folder, "x" a pax header. */
  readonly kind?: string;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** A ustar header; a name of more than 100 bytes is parted at a slash. */
export function tarHeader({ name, data, kind = "0" }: TarInput): Uint8Array {
  const header = new Uint8Array(512);
  const cut = name.length > 100 ? name.lastIndexOf("/", 150) : -1;
  header.set(text(name.slice(cut + 1)), 0);
  header.set(text("0000644"), 100);
  header.set(text(data.length.toString(8).padStart(11, "0")), 124);
  header.set(text(kind), 156);
  header.set(text("ustar\x0000"), 257);
  if (cut > 0) header.set(text(name.slice(0, cut)), 345);
  header.set(text("        "), 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(text(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return header;
}

/** The record of a pax header, whose length counts its own digits. */
export function paxRecord(key: string, value: string): Uint8Array {
  const rest = text(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length++;
  return concat([text(`${length}`), rest]);
}

/** The bytes of an archive. */
export function tarOf(inputs: readonly TarInput[]): Uint8Array {
  const parts = inputs.flatMap((input) => [
    tarHeader(input),
    input.data,
    new Uint8Array((512 - input.data.length % 512) % 512),
  ]);
  return concat([...parts, new Uint8Array(1024)]);
}
