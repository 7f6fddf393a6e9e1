/**
 * The page: connects its controls to the chat.
 *
 * @module
 */
import { type Chat, createChat } from "./chat.ts";
import { onChosenFile } from "./chosen_file.ts";
import { byId, element } from "./element.ts";

/** Questions that the embedded model was made for. */
const EXAMPLES = [
  "What is 45 plus 21?",
  "Tell me a short story.",
  "Say these words backwards: hot, loud, thick, hard.",
];

function connectMessage(chat: Chat): void {
  const form = byId("ask", HTMLFormElement);
  const field = byId("message", HTMLTextAreaElement);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = field.value.trim();
    if (question === "" || byId("send", HTMLButtonElement).disabled) return;
    field.value = "";
    chat.ask(question);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") chat.stop();
  });
  byId("stop", HTMLButtonElement).addEventListener("click", () => chat.stop());
  byId("reset", HTMLButtonElement).addEventListener("click", () => {
    chat.reset();
    field.focus();
  });
}

function connectSettings(chat: Chat): void {
  byId("settings", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
  byId("embedded", HTMLButtonElement).addEventListener("click", () => {
    byId("file", HTMLInputElement).value = "";
    chat.open(undefined);
  });
  for (const id of ["backend", "threads", "weights"]) {
    byId(id, HTMLElement).addEventListener("change", () => chat.reopen());
  }
  const showRejected = byId("show-rejected", HTMLInputElement);
  showRejected.addEventListener("change", () => {
    document.body.classList.toggle("without-rejected", !showRejected.checked);
  });
  onChosenFile((file) => chat.open(file));
}

function offerExamples(chat: Chat): void {
  const buttons = EXAMPLES.map((question) => {
    const button = element("button", { type: "button" }, question);
    button.addEventListener("click", () => chat.ask(question));
    return button;
  });
  byId("examples", HTMLElement).append(...buttons);
}

const chat = createChat();
connectMessage(chat);
connectSettings(chat);
offerExamples(chat);
chat.open(undefined);
