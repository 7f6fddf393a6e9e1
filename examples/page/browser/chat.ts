/**
 * The conversation: what was said, what is being written, and what may be done now.
 *
 * @module
 */
import type { ChatMessage } from "@outrider/outrider/io";
import { byId } from "./element.ts";
import { failureLine } from "./failure_line.ts";
import { clearFacts, showError, showFacts, showStatus } from "./notices.ts";
import type { WorkerEvent } from "./protocol.ts";
import { createSession } from "./session.ts";
import { readSettings } from "./settings.ts";
import { createTurn, type Turn } from "./turn.ts";

/** What the page can do. */
export interface Chat {
  /** Loads a model: the file, or the embedded one. */
  open(file: File | undefined): void;
  /** Loads the same model again, by other settings. */
  reopen(): void;
  ask(question: string): void;
  stop(): void;
  /** Forgets what was said. */
  reset(): void;
}

/** What the page is doing. */
type Phase = "loading" | "ready" | "answering" | "without a model";

function showPhase(phase: Phase): void {
  byId("send", HTMLButtonElement).disabled = phase !== "ready";
  byId("stop", HTMLButtonElement).disabled = phase !== "answering";
  byId("reset", HTMLButtonElement).disabled = phase === "answering";
  document.body.dataset.phase = phase;
}

/** A chat without a model. */
export function createChat(): Chat {
  const turns = byId("turns", HTMLElement);
  let phase: Phase = "without a model";
  let file: File | undefined;
  let messages: ChatMessage[] = [];
  let turn: Turn | undefined;

  const enter = (next: Phase): void => {
    phase = next;
    showPhase(phase);
    if (phase === "ready" || phase === "without a model") showStatus("");
  };
  /** Takes back the question whose answer will not come. */
  const giveUpTurn = (): void => {
    if (turn === undefined) return;
    turn.abandon();
    turn = undefined;
    messages.pop();
  };
  const onEvent = (event: WorkerEvent): void => {
    if (event.kind === "busy") showStatus(`${event.doing} …`);
    else if (event.kind === "opened") {
      showFacts(event.facts);
      enter("ready");
    } else if (event.kind === "progress") {
      showStatus("Answering …");
      turn?.add(event);
    } else if (event.kind === "answered") {
      const verdict = turn?.finish(event) ?? "";
      turn = undefined;
      messages.push({ role: "assistant", content: event.text });
      enter("ready");
      showStatus(verdict);
    } else {
      showError(event.line);
      giveUpTurn();
      enter(event.during === "open" ? "without a model" : "ready");
    }
  };
  const session = createSession(onEvent);
  const load = (): void => {
    showError("");
    clearFacts();
    giveUpTurn();
    enter("loading");
    try {
      const { backend, threads, weights } = readSettings();
      session.open({ backend, threads, weights, file });
    } catch (error) {
      showError(failureLine(error));
      enter("without a model");
    }
  };
  const forget = (): void => {
    messages = [];
    turns.replaceChildren();
  };

  return {
    open(chosen) {
      file = chosen;
      forget();
      load();
    },
    reopen: load,
    ask(question) {
      if (phase !== "ready") return;
      showError("");
      try {
        const { answer: options } = readSettings();
        messages.push({ role: "user", content: question });
        turn = createTurn(question, options.temperature);
        turns.append(turn.root);
        turn.root.scrollIntoView({ block: "nearest" });
        enter("answering");
        session.answer({ messages, options });
      } catch (error) {
        showError(failureLine(error));
      }
    },
    stop: () => session.stop(),
    reset() {
      if (phase !== "answering") forget();
    },
  };
}
