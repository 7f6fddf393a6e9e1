/** Where texts end. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  autoregressive,
  type Decoder,
  draftModel,
  functionModel,
  generate,
  limit,
  nextPiece,
  noPieces,
  speculative,
  streamText,
  temperature,
  type TokenId,
  untilText,
  untilToken,
  verifyToken,
} from "../../src/decode/mod.ts";
import { counted, hashModel } from "./mock_models.ts";

const key = keyOf(1);

type Check = <State>(decoder: Decoder<State>, name: string) => Promise<void>;

/** Greedy decoders, one token or several at a time, that write the given tokens after a prompt. */
async function forScript(tokens: readonly TokenId[], check: Check): Promise<void> {
  const vocabulary = Math.max(...tokens) + 1;
  const model = counted(functionModel({
    vocabulary,
    contextLength: tokens.length,
    logits: (prefix) => {
      const row = new Float32Array(vocabulary);
      row[tokens[prefix.length - 1]] = 1;
      return row;
    },
  }));
  const warp = temperature(0);
  await check(autoregressive({ target: model, warp }), "plain");
  for (const gamma of [1, 2, 5]) {
    const options = { target: model, draft: draftModel(model), verify: verifyToken, warp, gamma };
    await check(speculative(options), `gamma ${gamma}`);
  }
  assertEquals(model.alive(), 0);
}

const encoder = new TextEncoder();
const bytesOf = (text: string): number[] => [...encoder.encode(text)];
const textOfBytes = (tokens: readonly TokenId[]): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(tokens));

/** What a text decoder gives out, by pieces and by tokens, which must tell the same story. */
async function outcome<State>(
  decoder: Decoder<State>,
  stops: readonly string[],
  textOf: (tokens: readonly TokenId[]) => string,
): Promise<{ pieces: string[]; text: string; tokens: number[]; finish: string }> {
  const wrapped = untilText(decoder, { textOf, stops });
  const pieces = await Array.fromAsync(streamText(wrapped, [0], { key }));
  const { tokens, finish, reports } = await generate(wrapped, [0], { key });
  assertEquals(reports.reduce((sum, { emitted }) => sum + emitted, 0), tokens.length);
  return { pieces, text: pieces.join(""), tokens: [...tokens], finish };
}

Deno.test("a stop token ends the text within a block and is the last one given out", async () => {
  await forScript([1, 2, 3, 4, 5, 6], async (decoder) => {
    const { tokens, finish, reports } = await generate(untilToken(decoder, [3, 5]), [0], { key });
    assertEquals([tokens, finish], [[1, 2, 3], "stopToken"]);
    assertEquals(reports.reduce((sum, report) => sum + report.emitted, 0), 3);
  });
});

Deno.test("a stop token in the prompt does not end the text", async () => {
  await forScript([1, 1, 2], async (decoder) => {
    assertEquals((await generate(untilToken(decoder, [0, 2]), [0], { key })).tokens, [1, 1, 2]);
  });
});

Deno.test("a limit holds within a block, and exactly at its end", async () => {
  await forScript([1, 2, 3, 4, 5, 6, 7, 8], async (decoder) => {
    for (let count = 1; count <= 8; count++) {
      const { tokens, finish } = await generate(limit(decoder, count), [0], { key });
      assertEquals([tokens.length, finish], [count, "limit"]);
    }
    assertEquals((await generate(limit(decoder, 9), [0], { key })).finish, "context");
  });
});

Deno.test("a limit that is no whole number from 1 on is refused", () => {
  const decoder = autoregressive({ target: hashModel(1, 3), warp: temperature(0) });
  for (const count of [0, -1, 2.5, NaN]) {
    assertThrows(() => limit(decoder, count), Error, "a limit");
  }
});

Deno.test("combinators nest in any order: whichever end comes first counts", async () => {
  await forScript([1, 2, 3, 4, 5], async (decoder) => {
    const inside = untilToken(limit(decoder, 4), [3]);
    const outside = limit(untilToken(decoder, [3]), 4);
    for (const nested of [inside, outside]) {
      assertEquals((await generate(nested, [0], { key })).finish, "stopToken");
    }
    assertEquals(
      (await generate(limit(untilToken(decoder, [5]), 2), [0], { key })).finish,
      "limit",
    );
  });
});

Deno.test("a step after the end of a text is an error", async () => {
  await forScript([1, 2, 3], async (decoder) => {
    const limited = limit(decoder, 1);
    const { state } = await limited.step(await limited.init([0], key));
    await assertRejects(() => limited.step(state), Error, "ended by limit");
    limited.close(state);
  });
});

Deno.test("a stop string that is split over tokens is cut out whole", async () => {
  await forScript(bytesOf("Hello.\nUser: hi"), async (decoder) => {
    const { text, tokens, finish } = await outcome(decoder, ["\nUser:"], textOfBytes);
    assertEquals([text, textOfBytes(tokens), finish], ["Hello.", "Hello.", "stopText"]);
  });
});

Deno.test("a beginning that turns out not to be a stop string is given out after all", async () => {
  await forScript(bytesOf("a\nUsual\nUs"), async (decoder) => {
    const { text, tokens, finish } = await outcome(decoder, ["\nUser"], textOfBytes);
    assertEquals([text, textOfBytes(tokens), finish], ["a\nUsual\nUs", "a\nUsual\nUs", "context"]);
  });
});

Deno.test("characters of several tokens come out whole, and a broken last one at the end", async () => {
  const broken = [...bytesOf("né 日本 👍🏽"), 0xe6, 0x97];
  await forScript(broken, async (decoder) => {
    const { pieces, text, tokens } = await outcome(decoder, [], textOfBytes);
    assertEquals(text, "né 日本 👍🏽\ufffd");
    assertEquals(tokens, broken);
    for (const piece of pieces.slice(0, -1)) assert(!piece.includes("\ufffd"), piece);
  });
});

Deno.test("a stop string of one multi-token character leaves none of its tokens", async () => {
  await forScript(bytesOf("ab日c"), async (decoder) => {
    const { text, tokens } = await outcome(decoder, ["日"], textOfBytes);
    assertEquals([text, tokens], ["ab", bytesOf("ab")]);
  });
});

Deno.test("bytes that are no text at all do not hold the text up", async () => {
  await forScript([0xff, 0xff, 0xff, 0xff, 0xff, 0x61], async (decoder) => {
    assertEquals((await outcome(decoder, [], textOfBytes)).text, "\ufffd".repeat(5) + "a");
  });
  let state = noPieces;
  const texts = [0xff, 0xff, 0xff, 0xff].map((byte) => {
    const piece = nextPiece(state, byte, textOfBytes);
    state = piece.state;
    return piece.text;
  });
  assertEquals(texts, ["", "", "", "\ufffd".repeat(4)]);
});

const wordPieces = ["a", "b", "ab", "ba", "aab", "bb", " ", ""];
const textOfPieces = (tokens: readonly TokenId[]) => tokens.map((id) => wordPieces[id]).join("");

/** The definition: character by character, the text before the stop string complete first. */
function cutByDefinition(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (ending.length > 0) return text.slice(0, end - Math.max(...ending.map((s) => s.length)));
  }
  return text;
}

Deno.test("texts end where the definition says, however many tokens come at a time", async () => {
  const stopSets = [["bab"], ["aa", "bb"], ["abab", "ba"], ["b a", "aab", "abba"], ["a"]];
  for (let seed = 0; seed < 150; seed++) {
    const script = Array.from(
      { length: 3 + seed % 12 },
      (_, i) => uniformInteger(keyOf(seed * 64 + i), wordPieces.length),
    );
    const stops = stopSets[seed % stopSets.length];
    const results: string[] = [];
    await forScript(script, async (decoder) => {
      const { text, tokens, finish } = await outcome(decoder, stops, textOfPieces);
      assertEquals(text, cutByDefinition(textOfPieces(script), stops));
      assert(textOfPieces(tokens).startsWith(text), "the tokens cover the text");
      results.push(`${tokens.join(" ")} ${finish}`);
    });
    assertEquals(new Set(results).size, 1, results.join(" | "));
  }
});

Deno.test("an empty stop string is refused", () => {
  const decoder = autoregressive({ target: hashModel(1, 3), warp: temperature(0) });
  assertThrows(() => untilText(decoder, { textOf: String, stops: [""] }), Error, "stop strings");
});
