/** The page as a person uses it: controls by their ids, and what can be read off the page. */
import type { Chromium, Page } from "./chromium.ts";

/** An answer as the page shows it. */
export interface ShownAnswer {
  readonly plain: string;
  /** Without what was rejected. */
  readonly speculative: string;
  /** The numbers of tokens that are coloured, by kind. */
  readonly tokens: Readonly<Record<"accepted" | "rejected" | "bonus", number>>;
  /** The same of the plot's bars. */
  readonly bars: Readonly<Record<"accepted" | "rejected" | "bonus", number>>;
  /** Lines of the table of steps. */
  readonly steps: number;
  readonly verdict: string;
}

const READ_ANSWER = `(() => {
  const turn = document.querySelector("#turns").lastElementChild;
  const answer = (side) => turn.querySelector("[data-side=" + side + "] .answer");
  const count = (selector) => turn.querySelectorAll(selector).length;
  const kinds = ["accepted", "rejected", "bonus"];
  const counts = (of) => Object.fromEntries(kinds.map((kind) => [kind, count(of + "." + kind)]));
  const kept = answer("speculative").cloneNode(true);
  for (const rejected of kept.querySelectorAll(".rejected")) rejected.remove();
  return {
    plain: answer("plain").textContent,
    speculative: kept.textContent,
    tokens: counts(".token"),
    bars: counts(".bar"),
    steps: count("tbody tr"),
    verdict: turn.querySelector(".summary")?.textContent ?? "",
  };
})()`;

/** The page with its controls. */
export interface ChatPage extends Page {
  /** Sets a control of the settings, as choosing it does. */
  set(id: string, value: string): Promise<void>;
  /** Waits until a model is loaded, and gives what the page says of what is running. */
  facts(): Promise<string>;
  /** Types a question, presses Enter, and waits for the whole answer. */
  ask(question: string): Promise<ShownAnswer>;
  /** Types a question and presses Enter. */
  begin(question: string): Promise<void>;
  /** The answer as it stands. */
  answer(): Promise<ShownAnswer>;
  /** Drops bytes on the page as a file. */
  drop(name: string, bytes: Uint8Array): Promise<void>;
  /** Waits for the error that the page shows. */
  error(): Promise<string>;
}

const isShownAnswer = (value: unknown): value is ShownAnswer =>
  typeof value === "object" && value !== null && "verdict" in value;

/** Opens the page. */
export async function openChat(chromium: Chromium, url: string): Promise<ChatPage> {
  const page = await chromium.open(url);
  const { evaluate, until, press } = page;
  const json = JSON.stringify;
  const answer = async (): Promise<ShownAnswer> => {
    const shown = await evaluate(READ_ANSWER);
    if (isShownAnswer(shown)) return shown;
    throw new Error(`an answer on the page, not ${JSON.stringify(shown)}`);
  };
  const begin = async (question: string): Promise<void> => {
    await until(`document.body.dataset.phase === "ready"`);
    await evaluate(`(() => {
      const field = document.querySelector("#message");
      field.value = ${json(question)};
      field.focus();
    })()`);
    await press("Enter");
    await until(`document.querySelector("#message").value === ""`);
  };
  return {
    ...page,
    set: async (id, value) =>
      void await evaluate(`(() => {
        const control = document.getElementById(${json(id)});
        control.value = ${json(value)};
        control.dispatchEvent(new Event("change", { bubbles: true }));
      })()`),
    async facts() {
      await until(`document.body.dataset.phase === "ready"`);
      return String(await evaluate(`document.querySelector(".facts").innerText`));
    },
    begin,
    answer,
    async ask(question) {
      await begin(question);
      await until(`document.body.dataset.phase !== "answering"`);
      const failure = await evaluate(`document.querySelector("#error").innerText`);
      if (failure !== "") throw new Error(`an answer, not ${failure}`);
      return await answer();
    },
    drop: async (name, bytes) =>
      void await evaluate(`(() => {
        const bytes = Uint8Array.fromBase64(${json(bytes.toBase64())});
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], ${json(name)}));
        for (const type of ["dragover", "drop"]) {
          const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
          document.querySelector("#turns").dispatchEvent(event);
        }
      })()`),
    async error() {
      await until(`!document.querySelector("#error").hidden`);
      return String(await evaluate(`document.querySelector("#error").innerText`));
    },
  };
}
