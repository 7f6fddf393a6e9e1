/**
 * The steps of an answer as a table: what the chart shows, in words and numbers.
 *
 * @module
 */
import { element } from "./element.ts";
import type { StepView } from "./protocol.ts";

const COLUMNS = ["Step", "Drafted", "Accepted", "Tokens"];

function row({ drafted, accepted, emitted }: StepView, step: number): HTMLElement {
  const cells = [step + 1, drafted, accepted, emitted].map((value) =>
    element("td", {}, String(value))
  );
  return element("tr", {}, ...cells);
}

/** A table that is folded until it is asked for. */
export function stepsTable(steps: readonly StepView[]): HTMLElement {
  const head = element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, name)));
  return element(
    "details",
    { class: "steps" },
    element("summary", {}, "Steps as a table"),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Steps as a table" },
      element(
        "table",
        {},
        element("thead", {}, head),
        element("tbody", {}, ...steps.map(row)),
      ),
    ),
  );
}
