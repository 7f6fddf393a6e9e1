/**
 * Tokens per step as bars: what was accepted, the model's own token, and what was rejected.
 *
 * @module
 */
import type { StepView } from "./protocol.ts";

const SVG = "http://www.w3.org/2000/svg";
/** The drawing's height and the room for its numbers, in pixels. */
const HEIGHT = 116;
const MARGIN = { left: 26, right: 8, top: 8, bottom: 18 };
/** Bars are never wider than if there were so many. */
const LEAST_BARS = 24;
/** Share of a bar's place that it fills. */
const BAR_SHARE = 0.72;

type Attributes = Readonly<Record<string, string | number>>;

function shape(name: string, attributes: Attributes, text = ""): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** Where numbers of steps and of tokens lie in the drawing. */
interface Scale {
  readonly x: (step: number) => number;
  readonly y: (tokens: number) => number;
  readonly barWidth: number;
  readonly most: number;
}

const heightOf = ({ drafted, accepted, emitted }: StepView): number => emitted + drafted - accepted;

function scaleOf(steps: readonly StepView[], width: number): Scale {
  const most = Math.max(2, ...steps.map(heightOf));
  const place = (width - MARGIN.left - MARGIN.right) / Math.max(LEAST_BARS, steps.length);
  const room = HEIGHT - MARGIN.top - MARGIN.bottom;
  return {
    x: (step) => MARGIN.left + place * (step + (1 - BAR_SHARE) / 2),
    y: (tokens) => HEIGHT - MARGIN.bottom - room * tokens / most,
    barWidth: place * BAR_SHARE,
    most,
  };
}

/** The pieces of one step's bar, from the bottom up. */
function barOf(
  { drafted, accepted, emitted }: StepView,
  step: number,
  { x, y, barWidth }: Scale,
): SVGElement[] {
  const kept = Math.min(accepted, emitted);
  const pieces = [
    { name: "accepted", from: 0, to: kept },
    { name: "bonus", from: kept, to: emitted },
    { name: "rejected", from: emitted, to: emitted + drafted - accepted },
  ].filter(({ from, to }) => to > from);
  return pieces.map(({ name, from, to }) =>
    shape("rect", {
      class: `bar ${name}`,
      x: x(step),
      y: y(to),
      width: barWidth,
      height: y(from) - y(to),
    })
  );
}

function axes({ y, most }: Scale, width: number, steps: number): SVGElement[] {
  const middle = Math.floor(most / 2);
  const lines = [0, middle, most].flatMap((tokens) => [
    shape("line", { class: "grid", x1: MARGIN.left, x2: width, y1: y(tokens), y2: y(tokens) }),
    shape("text", { x: MARGIN.left - 6, y: y(tokens) + 4, "text-anchor": "end" }, `${tokens}`),
  ]);
  const label = shape("text", { x: MARGIN.left, y: HEIGHT - 4 }, `${steps} steps`);
  return [...lines, label];
}

function meanLine({ y }: Scale, width: number, mean: number): SVGElement[] {
  const at = { x1: MARGIN.left, x2: width, y1: y(mean), y2: y(mean) };
  const text = `mean ${mean.toFixed(2)}`;
  const label = shape("text", { x: width, y: HEIGHT - 4, "text-anchor": "end" }, text);
  return [shape("line", { class: "mean", ...at }), label];
}

/** A drawing that follows its steps and the width that it is given. */
export interface Chart {
  readonly root: HTMLElement;
  draw(steps: readonly StepView[]): void;
}

/** Draws into `root`, again whenever its width changes. */
export function createChart(root: HTMLElement): Chart {
  let drawn: readonly StepView[] = [];
  const draw = (steps: readonly StepView[]): void => {
    drawn = steps;
    const width = Math.max(160, root.clientWidth);
    const scale = scaleOf(steps, width);
    const tokens = steps.reduce((sum, { emitted }) => sum + emitted, 0);
    const mean = steps.length === 0 ? 0 : tokens / steps.length;
    const label = `Tokens per step: ${steps.length} steps, ${mean.toFixed(2)} tokens on average`;
    const svg = shape("svg", { role: "img", "aria-label": label, width, height: HEIGHT });
    svg.append(
      ...axes(scale, width, steps.length),
      ...steps.flatMap((step, i) => barOf(step, i, scale)),
      ...(steps.length === 0 ? [] : meanLine(scale, width, mean)),
    );
    root.replaceChildren(svg);
  };
  new ResizeObserver(() => {
    if (root.clientWidth !== root.querySelector("svg")?.clientWidth) draw(drawn);
  }).observe(root);
  return { root, draw };
}
