/**
 * Progress on its way to the page: many steps in one message, some thirty messages a second.
 *
 * @module
 */
import type { StepReport } from "@outrider/outrider/decode";
import { metricsOf } from "@outrider/outrider/evaluate";
import type { Figures, Progress, Side, StepView } from "./protocol.ts";

/** The shortest time between two messages about one text. */
const MILLISECONDS = 33;

/** Gathers the steps of one text. */
export interface Outbox {
  /** Adds a step, and sends what has gathered if it is time. */
  add(view: StepView, report: StepReport): void;
  /** Sends what is left. */
  flush(): void;
}

function figuresOf(reports: readonly StepReport[]): Figures {
  const { tokens, targetPasses, blockEfficiency, acceptance, tokensPerSecond } = metricsOf(
    reports,
    { draftSizeRatio: 0 },
  );
  return { tokens, targetPasses, blockEfficiency, acceptance, tokensPerSecond };
}

/** An outbox of one side of an answer. */
export function createOutbox(side: Side, send: (progress: Progress) => void): Outbox {
  const reports: StepReport[] = [];
  let waiting: StepView[] = [];
  let sentAt = -Infinity;
  const flush = (): void => {
    if (waiting.length === 0) return;
    send({ kind: "progress", side, steps: waiting, figures: figuresOf(reports) });
    waiting = [];
    sentAt = performance.now();
  };
  return {
    add(view, report) {
      reports.push(report);
      waiting.push(view);
      if (performance.now() - sentAt >= MILLISECONDS) flush();
    },
    flush,
  };
}
