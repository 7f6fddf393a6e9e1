/** Headless Chromium for tests of the page, where it is installed. */
import { assert } from "@std/assert";
import { connectDevTools, type DevTools } from "./devtools.ts";

const FLAGS = ["--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"]
  .concat("--disable-background-networking", "--disable-component-update", "--mute-audio")
  .concat("--remote-debugging-port=0");

/** Flags without a GPU, and those that give WebGPU a software adapter. */
export const GRAPHICS = {
  none: ["--disable-gpu"],
  webgpu: ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-vulkan=swiftshader"],
} as const;

/** How long a page may take for anything: other work may hold the machine. */
const PATIENCE_SECONDS = 300;

/** The program's name on this machine; undefined where there is none. */
export async function findChromium(): Promise<string | undefined> {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      const { success } = await new Deno.Command(name, {
        args: ["--version"],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return name;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** A running browser. */
export interface Chromium {
  /** Opens a page in a window of its own and waits until it has loaded. */
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

/** Starts a browser with a profile of its own. */
export async function startChromium(
  program: string,
  graphics: keyof typeof GRAPHICS,
): Promise<Chromium> {
  const profile = await Deno.makeTempDir();
  const child = new Deno.Command(program, {
    args: [...FLAGS, ...GRAPHICS[graphics], `--user-data-dir=${profile}`, "about:blank"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const { url, drained } = await listeningUrl(child.stderr);
  const devTools = await connectDevTools(url);
  return {
    open: (url) => openPage(devTools, url),
    async close() {
      await devTools.send("Browser.close");
      devTools.close();
      await child.status;
      await drained;
      // The browser's last helper may still be writing.
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    },
  };
}

/** Runs a part in a browser; one that does not come is a failure, not a skip. */
export async function inChromium(
  program: string | undefined,
  graphics: keyof typeof GRAPHICS,
  use: (chromium: Chromium) => Promise<void>,
): Promise<void> {
  const chromium = await startChromium(program ?? "chromium", graphics);
  try {
    await use(chromium);
  } finally {
    await chromium.close();
  }
}

/** What the browser says of its socket, and the end of all else that it says. */
async function listeningUrl(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<{ url: string; drained: Promise<unknown> }> {
  const lines = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let read = await lines.read(); !read.done; read = await lines.read()) {
    text += read.value;
    const url = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
    if (url !== undefined) return { url, drained: drain(lines) };
  }
  throw new Error(`the browser did not start: ${text}`);
}

async function drain(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}

/** A page in the browser. */
export interface Page {
  /** Runs JavaScript in the page and gives its value, which must be JSON. */
  evaluate(script: string): Promise<unknown>;
  /** Waits until an expression is true. */
  until(condition: string, seconds?: number): Promise<void>;
  /** Picks files in a file input. */
  pick(selector: string, paths: readonly string[]): Promise<void>;
  /** Presses a key on whatever has the focus. */
  press(key: string): Promise<void>;
  /** Sets the width of the window and the colours that the person prefers; gives a PNG. */
  screenshot(width: number, scheme: "light" | "dark"): Promise<Uint8Array>;
}

async function openPage(devTools: DevTools, url: string): Promise<Page> {
  const { targetId } = await devTools.send("Target.createTarget", { url: "about:blank" });
  const attached = await devTools.send("Target.attachToTarget", { targetId, flatten: true });
  const session = String(attached.sessionId);
  const send = (method: string, params: object = {}) => devTools.send(method, params, session);
  const evaluate = async (expression: string): Promise<unknown> => {
    const answer: {
      result?: { value?: unknown };
      exceptionDetails?: { exception?: { description?: string } };
    } = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    assert(
      answer.exceptionDetails === undefined,
      `${expression}: ${answer.exceptionDetails?.exception?.description}`,
    );
    return answer.result?.value;
  };
  const until = async (condition: string, seconds = PATIENCE_SECONDS): Promise<void> => {
    const end = performance.now() + 1000 * seconds;
    while (await evaluate(`Boolean(${condition})`) !== true) {
      assert(performance.now() < end, `not within ${seconds} s: ${condition}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await send("Page.enable");
  await send("DOM.enable");
  await send("Page.navigate", { url });
  await until(`location.href === ${JSON.stringify(url)} && document.readyState === "complete"`);
  return {
    evaluate,
    until,
    async pick(selector, files) {
      const document: { root?: { nodeId: number } } = await send("DOM.getDocument");
      const from = document.root?.nodeId;
      const { nodeId } = await send("DOM.querySelector", { nodeId: from, selector });
      await send("DOM.setFileInputFiles", { files, nodeId });
    },
    async press(key) {
      const text = key === "Enter" ? "\r" : undefined;
      const windowsVirtualKeyCode = { Enter: 13, Escape: 27, Tab: 9 }[key];
      const event = { key, code: key, windowsVirtualKeyCode };
      await send("Input.dispatchKeyEvent", { type: "keyDown", ...event, text });
      await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    },
    async screenshot(width, scheme) {
      const features = [{ name: "prefers-color-scheme", value: scheme }];
      await send("Emulation.setEmulatedMedia", { features });
      const size = { width, height: 900, deviceScaleFactor: 1, mobile: false };
      await send("Emulation.setDeviceMetricsOverride", size);
      const height = Number(await evaluate("document.documentElement.scrollHeight"));
      await send("Emulation.setDeviceMetricsOverride", { ...size, height });
      const { data } = await send("Page.captureScreenshot", { format: "png" });
      return Uint8Array.fromBase64(String(data));
    },
  };
}
