/**
 * Training a small byte-level byte-pair tokenizer, and encoding with it.
 *
 * The scheme is GPT-2's: bytes are written as printable characters, text is cut into words by
 * GPT-2's pattern, and the most frequent neighbouring pair is merged again and again. Digits are cut
 * apart first, so that a model can compute with them. GGUF files name this pre-tokenizer "smollm".
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/** A byte-level byte-pair tokenizer, in the shape that GGUF metadata stores. */
export interface BytePairTokenizer {
  /** Token texts in the byte alphabet; the index is the token id. Special tokens come first. */
  readonly vocabulary: readonly string[];
  /** Merges in order of priority, each as `"left right"`. */
  readonly merges: readonly string[];
  /** How many ids at the start of the vocabulary are special tokens, matched as whole texts. */
  readonly specialCount: number;
}

/** Text to token ids and back. */
export interface BytePairCodec {
  /** Token ids of a text; special tokens that appear in the text become their ids. */
  readonly encode: (text: string) => number[];
  /** The text of token ids, special tokens included. */
  readonly decode: (ids: Iterable<number>) => string;
}

/** The special tokens of the language's tokenizer, ids 0, 1 and 2. */
export const SPECIAL_TOKENS: readonly string[] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** The ChatML template (Jinja) that the language's conversations are written in. */
export const CHAT_TEMPLATE: string =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + " +
  "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const WORD_PATTERN = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The printable character of each byte: itself where it prints, else one from U+0100 on. */
const BYTE_ALPHABET: readonly string[] = byteAlphabet();

function byteAlphabet(): string[] {
  const prints = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from(
    { length: 256 },
    (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++),
  );
}

/** The words of a text: every digit alone, the rest by GPT-2's pattern. */
function wordsOf(text: string): string[] {
  return text.split(/(\p{N})/u).flatMap((part) => part.match(WORD_PATTERN) ?? []);
}

function toAlphabet(word: string): string[] {
  return Array.from(new TextEncoder().encode(word), (byte) => BYTE_ALPHABET[byte]);
}

interface CountedWord {
  symbols: string[];
  readonly count: number;
}

function countWords(texts: Iterable<string>): CountedWord[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return Array.from(counts, ([word, count]) => ({ symbols: toAlphabet(word), count }));
}

/** The most frequent pair as `"left right"`; equal counts are settled by the pair's own order. */
function mostFrequentPair(words: readonly CountedWord[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let i = 1; i < symbols.length; i++) {
      const pair = `${symbols[i - 1]} ${symbols[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  for (const [pair, count] of counts) {
    const bestCount = best === undefined ? 1 : counts.get(best) ?? 0;
    if (count > bestCount || (count === bestCount && best !== undefined && pair < best)) {
      best = pair;
    }
  }
  return best;
}

/** The symbols with every neighbouring `left`, `right` joined, from the left. */
function mergeSymbols(symbols: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const joins = symbols[i] === left && symbols[i + 1] === right;
    merged.push(joins ? left + right : symbols[i]);
    if (joins) i++;
  }
  return merged;
}

/**
 * Learns a vocabulary of `size` tokens: the special tokens, the 256 bytes, and merges.
 *
 * Deterministic: the same texts give the same tokenizer. Pairs that occur once are never merged, so
 * tiny inputs may give fewer tokens.
 *
 * @example
 * ```ts
 * import { trainBytePairs } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { merges } = trainBytePairs(["low low lower"], { size: 261 });
 * assertEquals(merges, ["l o", "lo w"]);
 * ```
 *
 * @param texts what to learn from, without special tokens
 * @throws OutriderError where `size` leaves no room for the bytes and the special tokens
 */
export function trainBytePairs(
  texts: Iterable<string>,
  { size = 512, special = SPECIAL_TOKENS }: { size?: number; special?: readonly string[] } = {},
): BytePairTokenizer {
  const fixed = special.length + BYTE_ALPHABET.length;
  if (!(size >= fixed)) {
    throw new OutriderError(`a vocabulary of ${fixed} tokens or more`, `${size}`, "ask for more");
  }
  const vocabulary = [...special, ...BYTE_ALPHABET];
  const merges: string[] = [];
  let words = countWords(texts);
  while (vocabulary.length < size) {
    const pair = mostFrequentPair(words);
    if (pair === undefined) break;
    const [left, right] = pair.split(" ");
    merges.push(pair);
    vocabulary.push(left + right);
    words = words.map(({ symbols, count }) => ({
      symbols: mergeSymbols(symbols, left, right),
      count,
    }));
  }
  return { vocabulary, merges, specialCount: special.length };
}

/**
 * A fast encoder and decoder for a trained tokenizer.
 *
 * @example
 * ```ts
 * import { bytePairCodec, trainBytePairs } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { encode, decode } = bytePairCodec(trainBytePairs(["a cat sat"], { size: 262 }));
 * assertEquals(encode("<|im_end|>"), [2]);
 * assertEquals(decode(encode("Größe: 12 <|im_end|>")), "Größe: 12 <|im_end|>");
 * ```
 */
export function bytePairCodec(tokenizer: BytePairTokenizer): BytePairCodec {
  const { vocabulary, merges, specialCount } = tokenizer;
  const idOf = new Map(vocabulary.map((token, id) => [token, id] as const));
  const rankOf = new Map(merges.map((pair, rank) => [pair, rank] as const));
  const special = vocabulary.slice(0, specialCount);
  const known = new Map<string, readonly number[]>();

  const encodeWord = (word: string): readonly number[] => {
    const cached = known.get(word);
    if (cached !== undefined) return cached;
    const ids = mergeAll(toAlphabet(word), rankOf).map((symbol) => idOf.get(symbol) ?? 0);
    if (known.size < MAXIMUM_CACHED_WORDS) known.set(word, ids);
    return ids;
  };
  const encode = (text: string): number[] =>
    splitAtSpecial(text, special).flatMap((part) => {
      const id = special.indexOf(part);
      return id >= 0 ? [id] : wordsOf(part).flatMap(encodeWord);
    });
  return { encode, decode: (ids) => decodeIds(vocabulary, specialCount, ids) };
}

/** A bound on the encoder's memory: text with more different words than this is encoded afresh. */
const MAXIMUM_CACHED_WORDS = 100_000;

/** The symbols after all merges, the earliest learnt first. */
function mergeAll(symbols: string[], rankOf: ReadonlyMap<string, number>): string[] {
  for (;;) {
    let best = Infinity;
    let at = -1;
    for (let i = 1; i < symbols.length; i++) {
      const rank = rankOf.get(`${symbols[i - 1]} ${symbols[i]}`) ?? Infinity;
      if (rank < best) [best, at] = [rank, i];
    }
    if (at < 0) return symbols;
    symbols = mergeSymbols(symbols, symbols[at - 1], symbols[at]);
  }
}

/** The text cut at its special tokens, which stay in the list. */
function splitAtSpecial(text: string, special: readonly string[]): string[] {
  if (special.length === 0) return [text];
  const escaped = special.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return text.split(new RegExp(`(${escaped.join("|")})`)).filter((part) => part !== "");
}

function decodeIds(
  vocabulary: readonly string[],
  specialCount: number,
  ids: Iterable<number>,
): string {
  const bytes: number[] = [];
  for (const id of ids) {
    const token = vocabulary[id];
    if (token === undefined) {
      throw new OutriderError(`a token id below ${vocabulary.length}`, `${id}`, "check the model");
    }
    if (id < specialCount) bytes.push(...new TextEncoder().encode(token));
    else for (const character of token) bytes.push(BYTE_OF.get(character) ?? 0x3f);
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

const BYTE_OF: ReadonlyMap<string, number> = new Map(
  BYTE_ALPHABET.map((character, byte) => [character, byte] as const),
);

/**
 * A conversation as ChatML text, the same as {@link CHAT_TEMPLATE} gives.
 *
 * @example
 * ```ts
 * import { renderChatMl } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(renderChatMl([{ role: "user", content: "Hi" }]), "<|im_start|>user\nHi<|im_end|>\n");
 * ```
 */
export function renderChatMl(
  messages: readonly { readonly role: string; readonly content: string }[],
  { addGenerationPrompt = false }: { readonly addGenerationPrompt?: boolean } = {},
): string {
  const turns = messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`);
  return turns.join("") + (addGenerationPrompt ? "<|im_start|>assistant\n" : "");
}
