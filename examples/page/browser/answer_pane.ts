/**
 * One side of an answer: its text token by token, and its figures.
 *
 * @module
 */
import { element } from "./element.ts";
import { countText, rateText, shareText } from "./numbers.ts";
import type { Figures, Progress, Side, TokenView } from "./protocol.ts";

/** A pane that an answer is written into. */
export interface AnswerPane {
  readonly root: HTMLElement;
  add(progress: Progress): void;
}

const TITLES: Readonly<Record<Side, string>> = { plain: "Plain", speculative: "Speculative" };

/** What is said of a token when a pointer rests on it. */
const MEANINGS: Readonly<Record<TokenView["fate"], string>> = {
  accepted: "accepted: drafted, and the model agreed",
  rejected: "rejected: drafted, and the model did not agree",
  bonus: "bonus: the model’s own",
};

function figuresText(side: Side, figures: Figures): string {
  const { tokens, tokensPerSecond, blockEfficiency, acceptance } = figures;
  const speed = [`${rateText(tokensPerSecond)} tokens/s`, countText(tokens, "token")];
  if (side === "plain") return speed.join(" · ");
  const taken = `${shareText(acceptance)} accepted`;
  return [...speed, `τ ${blockEfficiency.toFixed(2)}`, taken].join(" · ");
}

/** A token of the speculative side; rejected ones are no part of the answer that is read out. */
function tokenElement({ text, fate }: TokenView): HTMLElement {
  if (fate !== "rejected") {
    return element("span", { class: `token ${fate}`, title: MEANINGS[fate] }, text);
  }
  const attributes = { class: "token rejected", title: MEANINGS.rejected, "aria-hidden": "true" };
  return element("del", attributes, text.replaceAll("\n", "↵"));
}

/** An empty pane. */
export function createPane(side: Side): AnswerPane {
  const figures = element("p", { class: "figures" }, "…");
  const text = element("p", { class: "answer" });
  const root = element(
    "article",
    { class: `pane ${side}`, "aria-label": `${TITLES[side]} answer`, "data-side": side },
    element("h3", {}, TITLES[side]),
    figures,
    text,
  );
  return {
    root,
    add({ steps, figures: now }) {
      figures.textContent = figuresText(side, now);
      const tokens = steps.flatMap((step) => step.tokens).filter(({ text }) => text !== "");
      text.append(...tokens.map((token) => side === "plain" ? token.text : tokenElement(token)));
    },
  };
}
