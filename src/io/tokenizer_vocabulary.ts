/**
 * The vocabulary of a tokenizer: what every token spells, in text and in bytes.
 *
 * @module
 */

/** The number that stands for a token: 0 to the vocabulary's size less one. */
export type TokenId = number;

/**
 * What a token is for. Control tokens (turn markers, end of text) have no text of their own in an
 * answer; user-defined ones are matched whole in any text; byte tokens stand for single bytes.
 */
export type TokenKind = "normal" | "unknown" | "control" | "userDefined" | "unused" | "byte";

/**
 * How token texts are spelled: `byteLevel` writes each byte as one printable character (GPT-2),
 * `sentencePiece` writes text as it is, with U+2581 for a space.
 */
export type Spelling = "byteLevel" | "sentencePiece";

/** SentencePiece's visible space. */
export const VISIBLE_SPACE = "\u2581";

const encoder = new TextEncoder();

/**
 * GPT-2's characters for bytes: printable Latin-1 stands for itself, the other bytes take the
 * characters from U+0100 on.
 */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from(
    { length: 256 },
    (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++),
  );
}

const BYTES_OF_CHARACTERS: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

function byteLevelBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = BYTES_OF_CHARACTERS.get(text[i]);
    if (byte === undefined) return encoder.encode(text); // an added token, spelled as it is
    bytes[i] = byte;
  }
  return bytes;
}

/** The byte that a SentencePiece byte token such as `<0x0A>` stands for. */
export function byteOfToken(text: string): number | undefined {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
  return digits === undefined ? undefined : parseInt(digits, 16);
}

/** The bytes that a token adds to the text. */
export function bytesOfToken(text: string, kind: TokenKind, spelling: Spelling): Uint8Array {
  if (kind === "control" || kind === "userDefined") return encoder.encode(text);
  if (spelling === "byteLevel") return byteLevelBytes(text);
  const byte = kind === "byte" ? byteOfToken(text) : undefined;
  if (byte !== undefined) return Uint8Array.of(byte);
  return encoder.encode(text.replaceAll(VISIBLE_SPACE, " "));
}
