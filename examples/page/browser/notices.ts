/**
 * What the page says about itself: what runs, what it is doing, and what went wrong.
 *
 * @module
 */
import { byId } from "./element.ts";
import { parametersText } from "./numbers.ts";
import type { ModelFacts, OpenedFacts } from "./protocol.ts";

const say = (id: string, text: string): void => void (byId(id, HTMLElement).textContent = text);

/** Says what the page is doing; an empty text for nothing. */
export function showStatus(text: string): void {
  say("status", text);
}

/** Shows an error until the next is shown or it is cleared. */
export function showError(line: string): void {
  say("error", line);
  byId("error", HTMLElement).hidden = line === "";
}

const modelText = ({ name, parameters }: ModelFacts): string =>
  `${name}, ${parametersText(parameters)} parameters`;

/** Names of drafts say how large they are. */
const draftText = (draft: ModelFacts | undefined): string =>
  draft?.name ?? "prompt lookup: no draft model fits";

/** Shows what is running, and why there. */
export function showFacts({ backend, model, draft }: OpenedFacts): void {
  const name = backend.name === "wasm" ? "Wasm" : "WebGPU";
  say("backend-fact", `${name}, ${backend.detail}`);
  say("backend-reason", backend.reason);
  const { layers, contextLength } = model;
  say("model-fact", `${modelText(model)}, ${layers} layers, context ${contextLength}`);
  say("draft-fact", draftText(draft));
}

/** Shows that nothing is running yet. */
export function clearFacts(): void {
  for (const id of ["backend-fact", "model-fact", "draft-fact"]) say(id, "…");
  say("backend-reason", "");
}
