/** The page in a browser on WebGPU, where the browser has an adapter. */
import { assert, assertMatch } from "@std/assert";
import { ISOLATION_HEADERS } from "../../examples/page/build/serve.ts";
import { withBuiltPage } from "./built_page.ts";
import { openChat } from "./chat_page.ts";
import { findChromium, inChromium } from "./chromium.ts";
import { checkShown, QUESTION } from "./shown_answer.ts";

const program = await findChromium();

/** Why Chromium has no WebGPU here; undefined where it has. */
async function missingGpu(): Promise<string | undefined> {
  if (program === undefined) return "Chromium is not installed";
  let reason: string | undefined;
  await inChromium(program, "webgpu", async (chromium) => {
    const page = await chromium.open("chrome://version/");
    const adapter = "await navigator.gpu?.requestAdapter()";
    const hasAdapter = await page.evaluate(`(async () => Boolean(${adapter}))()`);
    reason = hasAdapter === true ? undefined : "Chromium has no WebGPU adapter";
  });
  return reason;
}

const missing = await missingGpu();

Deno.test({
  name: `the page answers in Chromium on WebGPU${missing ? ` (skipped: ${missing})` : ""}`,
  ignore: missing !== undefined,
  fn: () =>
    withBuiltPage((serve) =>
      inChromium(program, "webgpu", async (chromium) => {
        const page = await openChat(chromium, serve(ISOLATION_HEADERS).url);
        assertMatch(await page.facts(), /Wasm, .+\n[^]*only has a software adapter/);
        await page.set("backend", "webgpu");
        assertMatch(await page.facts(), /WebGPU, on the GPU\n[^]*You chose WebGPU/);
        await page.set("max-tokens", "6");
        const shown = await page.ask(QUESTION);
        checkShown(shown);
        assert(shown.plain !== "" && "45 plus 20 is 65".startsWith(shown.plain), shown.plain);
        assert(shown.tokens.accepted > 0 && shown.tokens.rejected > 0, JSON.stringify(shown));
      })
    ),
});
