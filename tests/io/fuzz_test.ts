/** Damaged and hostile files: always one clear error or a valid reading, in bounded memory. */

import { assert, assertEquals } from "@std/assert";
import { memorySource } from "../../src/io/bytes.ts";
import { readGguf, readTensorBytes } from "../../src/io/gguf_reader.ts";
import { encodeGguf } from "../../src/io/gguf_writer.ts";
import { parseJson } from "../../src/io/json_fields.ts";
import { openGgufModel } from "../../src/io/open_model.ts";
import { encodeSafetensors, readSafetensors } from "../../src/io/safetensors.ts";
import { tokenizerFromGguf } from "../../src/io/tokenizer_gguf.ts";
import { tokenizerFromJson } from "../../src/io/tokenizer_json.ts";
import { listZip, unpackZipMember } from "../../src/io/zip_reader.ts";
import { damage, DAMAGE_NAMES, survive } from "./fuzz.ts";
import { type Chooser, chooser, concat } from "./random_bytes.ts";
import { randomGguf } from "./random_gguf.ts";
import { tinyTokenizer, tinyTokenizerJson } from "./tiny_model.ts";
import { tinyModelBytes } from "./tiny_model_bytes.ts";
import { zipOf } from "./zip_writer.ts";

/** Runs a number of seeded cases for each kind of damage and counts the outcomes. */
async function fuzz(
  casesEach: number,
  run: (kind: string, choose: Chooser) => Promise<"read" | "refused">,
): Promise<void> {
  let refused = 0;
  for (const [kindIndex, kind] of DAMAGE_NAMES.entries()) {
    for (let seed = 0; seed < casesEach; seed++) {
      const outcome = await run(kind, chooser(kindIndex * 1_000_000 + seed));
      if (outcome === "refused") refused++;
    }
  }
  assert(refused > casesEach, "the damage is so slight that the test shows nothing");
}

Deno.test("700 damaged GGUF files of random content", () =>
  fuzz(100, (kind, choose) => {
    const bytes = concat(encodeGguf(randomGguf(choose)));
    return survive(damage(kind, bytes, bytes.length, choose), async (source) => {
      const { tensors } = await readGguf(source);
      for (const tensor of tensors) await readTensorBytes(source, tensor);
    });
  }));

Deno.test("700 GGUF models with damage to tokenizer, sizes or tensor list", async () => {
  const { bytes, headerLength } = await tinyModelBytes();
  await fuzz(
    100,
    (kind, choose) =>
      survive(damage(kind, bytes, headerLength, choose), async (source) => {
        const { tensors, tokenizer } = await openGgufModel(source);
        for (const tensor of tensors.values()) await tensor.readFloat32();
        tokenizer.decode(tokenizer.encode("hello world <|im_end|> é"));
      }),
  );
});

Deno.test("700 damaged safetensors files", () =>
  fuzz(100, (kind, choose) => {
    const tensors = Array.from({ length: 1 + choose.below(3) }, (_, i) => ({
      name: `layers.${i}`,
      type: "F16" as const,
      shape: [1 + choose.below(3), 4],
    })).map((tensor) => ({ ...tensor, bytes: new Uint8Array(tensor.shape[0] * 8) }));
    const bytes = concat(encodeSafetensors({ metadata: new Map([["a", "b"]]), tensors }));
    return survive(damage(kind, bytes, bytes.length, choose), readSafetensors);
  }));

const parseTokenizer = (bytes: Uint8Array): void => {
  const tokenizer = tokenizerFromJson(parseJson(new TextDecoder().decode(bytes), "a test"));
  tokenizer.decode(tokenizer.encode("hello world <|im_end|> é"));
};

Deno.test("700 damaged tokenizer.json texts", () => {
  const bytes = new TextEncoder().encode(JSON.stringify(tinyTokenizerJson()));
  return fuzz(
    100,
    (kind, choose) =>
      survive(damage(kind, bytes, bytes.length, choose), async (source) => {
        parseTokenizer(await source.read(0, source.size));
      }),
  );
});

const WRONG_VALUES = [null, true, -1, 0.5, 1e300, "", "x", [], {}, [null], [[]], { type: "x" }];

/** A copy of a JSON value in which one value somewhere is replaced, removed or doubled. */
function mutateJson(value: unknown, choose: Chooser): unknown {
  if (Array.isArray(value) && value.length > 0 && choose.below(4) > 0) {
    const index = choose.below(value.length);
    return value.map((item, i) => i === index ? mutateJson(item, choose) : item);
  }
  if (typeof value === "object" && value !== null && choose.below(6) > 0) {
    const entries = Object.entries(value);
    const index = choose.below(entries.length);
    return Object.fromEntries(
      entries.map(([key, item], i) => [key, i === index ? mutateJson(item, choose) : item]),
    );
  }
  return choose.pick(WRONG_VALUES);
}

Deno.test("1,000 tokenizer.json texts with one value of a wrong type", async () => {
  for (let seed = 0; seed < 1000; seed++) {
    const mutated = JSON.stringify(mutateJson(tinyTokenizerJson(), chooser(seed)));
    await survive(new TextEncoder().encode(mutated), async (source) => {
      parseTokenizer(await source.read(0, source.size));
    });
  }
});

Deno.test("500 tokenizers of GGUF metadata with one entry of a wrong type or missing", async () => {
  const whole = [...tinyTokenizer()];
  for (let seed = 0; seed < 500; seed++) {
    const choose = chooser(seed);
    const index = choose.below(whole.length);
    const donor = randomGguf(choose).metadata.values().next().value;
    const changed = whole.flatMap(([key, value], i) =>
      i !== index ? [[key, value] as const] : donor === undefined ? [] : [[key, donor] as const]
    );
    await survive(new Uint8Array(0), () => {
      tokenizerFromGguf(new Map(changed)).encode("hello");
      return Promise.resolve();
    });
  }
});

Deno.test("350 damaged zip archives", async () => {
  const data = new Uint8Array(2000).fill(5);
  const bytes = concat([
    await zipOf([{ name: "a", data, method: 8 }, { name: "b", data, method: 0 }], ""),
  ]);
  await fuzz(
    50,
    (kind, choose) =>
      survive(damage(kind, bytes, bytes.length, choose), async (source) => {
        for (const member of await listZip(source)) {
          for await (const chunk of unpackZipMember(source, member)) assert(chunk.length > 0);
        }
      }),
  );
});

Deno.test("a file of 64 MB that claims to be all header costs no more than itself", async () => {
  const bytes = new Uint8Array(64 << 20);
  bytes.set(new TextEncoder().encode("GGUF"));
  const view = new DataView(bytes.buffer);
  view.setUint32(4, 3, true);
  view.setBigUint64(8, 1_000_000n, true);
  view.setBigUint64(16, 1_000_000n, true);
  assertEquals(await survive(bytes, readGguf), "refused");
  view.setBigUint64(0, BigInt(bytes.length - 8), true);
  assertEquals(await survive(bytes, readSafetensors), "refused");
  assertEquals(memorySource(bytes).size, bytes.length);
});
