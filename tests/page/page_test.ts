/** The page in a browser: both answers, what is shown of them, files, errors, and where it runs. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ISOLATION_HEADERS } from "../../examples/page/build/serve.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  generate,
  limit,
  llamaModel,
  temperature,
  untilToken,
} from "../../src/decode/mod.ts";
import { encodeChat, loadLlama, openModel } from "../../src/io/mod.ts";
import { createDevice, uploadsTo } from "../../src/runtime/mod.ts";
import { EMBEDDED } from "../models/files.ts";
import { tinyModelBytes } from "../io/tiny_model_bytes.ts";
import { withBuiltPage } from "./built_page.ts";
import { openChat } from "./chat_page.ts";
import { type Chromium, findChromium, inChromium } from "./chromium.ts";
import { checkEmbedded, checkShown, QUESTION } from "./shown_answer.ts";

/** What the page shows where an answer ended by itself. */
const END_MARK = "∎";

const program = await findChromium();

/** The embedded model's greedy answer, by the library itself. */
async function expectedAnswer(question: string): Promise<string> {
  const device = createDevice(wasmBackend());
  const file = await openModel(EMBEDDED ?? "");
  const { config, tokenizer } = file;
  const parameters = await loadLlama(file, "keep", uploadsTo(device));
  const target = llamaModel({ device, config, parameters });
  const plain = autoregressive({ target, warp: temperature(0) });
  const decoder = limit(untilToken(plain, tokenizer.endOfTurn), 128);
  const prompt = encodeChat(tokenizer, [{ role: "user", content: question }]);
  const { tokens, finish } = await generate(decoder, prompt, { key: keyOf(1) });
  device.close();
  file.close();
  return tokenizer.decode(tokens) + (finish === "stopToken" ? END_MARK : "");
}

/** The names of controls that assistive technology would not know how to call. */
const NAMELESS = `[...document.querySelectorAll("button, input, select, textarea")]
  .filter((it) => !(it.labels?.length || it.ariaLabel || it.textContent.trim()))
  .map((it) => it.outerHTML)`;

const FOREIGN = `performance.getEntriesByType("resource").map(({ name }) => name)
  .filter((name) => new URL(name).protocol !== "blob:" && new URL(name).origin !== origin)`;

async function checkWasm(chromium: Chromium, url: string): Promise<void> {
  const page = await openChat(chromium, url);
  await page.set("threads", "2");
  const facts = await page.facts();
  assertMatch(facts, /Wasm, 2 threads/);
  assertMatch(facts, /There is no WebGPU: .+\. The page is cross-origin isolated/);
  assertMatch(facts, /embedded model, 1\.07 M parameters/);
  assertStringIncludes(facts, "embedded chat model drafter");
  await checkEmbedded(page);
  assertEquals((await page.answer()).plain, await expectedAnswer(QUESTION));
  assertEquals(await page.evaluate(NAMELESS), []);
  assertEquals(await page.evaluate(FOREIGN), []);
}

async function checkSettings(chromium: Chromium, url: string): Promise<void> {
  const page = await openChat(chromium, url);
  await page.set("draft", "lookup");
  await page.set("gamma", "auto");
  checkShown(await page.ask(QUESTION));
  await page.set("weights", "q8");
  await page.set("gamma", "5");
  checkShown(await page.ask(QUESTION));
  await page.set("temperature", "-1");
  await page.begin(QUESTION).catch(() => {});
  assertMatch(await page.error(), /^expected a number from 0 to 2 as “Temperature”, found -1; .+$/);
  await page.set("temperature", "1.5");
  assertMatch((await page.ask(QUESTION)).verdict, /^(Equal texts|Two draws from the same)/);
}

async function checkStop(chromium: Chromium, url: string): Promise<void> {
  const page = await openChat(chromium, url);
  await page.set("temperature", "2");
  await page.set("max-tokens", "400");
  await page.begin("Tell me a short story.");
  await page.until(`document.querySelector(".answer").textContent !== ""`);
  await page.press("Escape");
  await page.until(`document.body.dataset.phase === "ready"`);
  const { verdict } = await page.answer();
  assertMatch(verdict, /^(Stopped; equal so far|Two draws)/);
  await page.set("temperature", "0");
  checkShown(await page.ask(QUESTION));
}

async function checkFiles(chromium: Chromium, url: string): Promise<void> {
  const { bytes, headerLength } = await tinyModelBytes();
  const page = await openChat(chromium, url);
  await page.set("max-tokens", "24");
  await page.facts();
  await page.drop("tiny.gguf", bytes);
  await page.until(`document.querySelector("#model-fact").textContent.startsWith("tiny.gguf")`);
  assertStringIncludes(await page.facts(), "prompt lookup: no draft model fits");
  checkShown(await page.ask("hello world"));

  await page.drop("cut.gguf", bytes.slice(0, headerLength + 100));
  assertMatch(
    await page.error(),
    /^expected [^\n]+, found [^\n]+; the file is damaged; get it again$/,
  );
  await page.drop("text.gguf", new TextEncoder().encode("this is no model, and long enough"));
  await page.until(`document.querySelector("#error").innerText.includes("text.gguf")`);
  assertMatch(await page.error(), /^expected a GGUF file at text\.gguf, found [^\n]+; [^\n]+$/);
  assertEquals(await page.evaluate(`document.querySelector("#send").disabled`), true);

  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  await Deno.writeFile(path, bytes);
  await page.pick("#file", [path]);
  checkShown(await page.ask("hello"));
  assertEquals(await page.evaluate(`document.querySelector("#error").hidden`), true);
  await Deno.remove(path);
  await page.evaluate(`document.querySelector("#embedded").click()`);
  assertStringIncludes(await page.facts(), "embedded model");
}

async function checkUnisolated(chromium: Chromium, url: string): Promise<void> {
  const page = await openChat(chromium, url);
  await page.set("threads", "2");
  const facts = await page.facts();
  assertMatch(facts, /Wasm, 1 thread\n/);
  assertStringIncludes(facts, "not cross-origin isolated, so Wasm has one thread.");
  await checkEmbedded(page);
}

const absent = program === undefined ? " (skipped: Chromium is not installed)" : "";

Deno.test({
  name: `the page answers, shows and compares in Chromium on Wasm${absent}`,
  ignore: program === undefined,
  fn: (t) =>
    withBuiltPage((serve) =>
      inChromium(program, "none", async (chromium) => {
        const { url } = serve(ISOLATION_HEADERS);
        const step = (name: string, check: typeof checkWasm, at = url) =>
          t.step(name, () => check(chromium, at));
        await step("two threads write what the library writes, on both sides", checkWasm);
        await step("drafts, lengths, weights and temperatures can be chosen", checkSettings);
        await step("Escape stops an answer, and the next one is whole", checkStop);
        await step("files are dropped and picked, and damaged ones refused", checkFiles);
        await step("without isolation there is one thread", checkUnisolated, serve({}).url);
      })
    ),
});
