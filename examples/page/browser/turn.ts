/**
 * A turn of the conversation: a question, and both answers side by side.
 *
 * @module
 */
import { createPane } from "./answer_pane.ts";
import { createChart } from "./chart.ts";
import { element } from "./element.ts";
import type { AnsweredEvent, Figures, Progress, Side, StepView } from "./protocol.ts";
import { stepsTable } from "./steps_table.ts";
import { speedText, textVerdict } from "./verdict.ts";

/** A turn that grows as the worker tells of it. */
export interface Turn {
  readonly root: HTMLElement;
  add(progress: Progress): void;
  /** Shows how the texts compare, and gives that as a sentence. */
  finish(event: AnsweredEvent): string;
  /** Ends a turn that has failed; its question stays. */
  abandon(): void;
}

/** A turn with nothing but its question. */
export function createTurn(question: string, temperature: number): Turn {
  const panes = { plain: createPane("plain"), speculative: createPane("speculative") };
  const chartRoot = element("div", { class: "chart" });
  const chart = createChart(chartRoot);
  const plot = element(
    "figure",
    { class: "plot", hidden: "" },
    element("figcaption", {}, "Tokens per pass of the model; plain decoding has one"),
    chartRoot,
  );
  const figures = new Map<Side, Figures>();
  const steps: StepView[] = [];
  const root = element(
    "section",
    { class: "turn", "aria-label": "Question and answers", "aria-busy": "true" },
    element("p", { class: "question" }, question),
    element("div", { class: "panes" }, panes.plain.root, panes.speculative.root),
    plot,
  );
  return {
    root,
    add(progress) {
      figures.set(progress.side, progress.figures);
      panes[progress.side].add(progress);
      if (progress.side === "plain") return;
      steps.push(...progress.steps);
      plot.hidden = false;
      chart.draw(steps);
    },
    finish(event) {
      root.removeAttribute("aria-busy");
      const { state, text } = textVerdict(event, temperature);
      const [plain, ahead] = [figures.get("plain"), figures.get("speculative")];
      const speed = plain && ahead ? speedText(plain, ahead) : "";
      const mark = element("strong", { class: `verdict ${state}`, "data-equal": state }, text);
      root.append(element("p", { class: "summary" }, mark, ` ${speed}`));
      if (steps.length > 0) root.append(stepsTable(steps));
      return text;
    },
    abandon() {
      root.removeAttribute("aria-busy");
      if (figures.size === 0) panes.plain.root.parentElement?.remove();
    },
  };
}
