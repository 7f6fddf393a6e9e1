/**
 * Figures of a report as Vega-Lite specifications: plain data that a program may render.
 *
 * @module
 */
import { bounded, charts, type ReportFigure, type Values, WIDTH } from "./charts.ts";
import { isChain } from "./draft_names.ts";
import type { EvaluationReport, ReportRow } from "./report_types.ts";
import { systemsFigures } from "./system_figures.ts";
import { decodingSeconds } from "./tally.ts";

function placeOf({ task, decoding, gamma, verify, name }: ReportRow) {
  return {
    task,
    decoding,
    draft: name,
    gamma: verify === "block" ? `${gamma}` : `${gamma} ${verify}`,
  };
}

/** Points with intervals, by draft and length, and a line at a value of interest. */
function dots(values: Values, field: string, title: string, line: number): ReportFigure["spec"] {
  const colour = { field: "gamma", type: "nominal", sort: null };
  const y = { field: "draft", type: "nominal", sort: null, title: null };
  const shared = { y, yOffset: { field: "gamma", sort: null }, color: colour };
  const x = { field, type: "quantitative", title, scale: { zero: false } };
  return charts(values, {
    width: WIDTH,
    height: { step: 10, for: "offset" },
    layer: [
      {
        mark: { type: "rule", strokeDash: [4, 3], color: "#888" },
        encoding: { x: { datum: line } },
      },
      { mark: "rule", encoding: { ...shared, x: { ...x, field: "low" }, x2: { field: "high" } } },
      { mark: { type: "point", filled: true, size: 30 }, encoding: { ...shared, x } },
    ],
  });
}

function tauFigure({ rows }: EvaluationReport): ReportFigure {
  const values = rows.filter(({ kind }) => kind !== "none")
    .map((row) => ({ ...placeOf(row), ...bounded("tau", row.tau) }));
  return {
    title: "Tokens per target pass (tau)",
    description:
      "Points with 95 % intervals for every draft, by task, decoding and draft length; " +
      "the dashed line at 1 is plain decoding.",
    spec: dots(values, "tau", "tau", 1),
  };
}

function speedFigure({ rows }: EvaluationReport): ReportFigure {
  const values = rows.map((row) => ({ ...placeOf(row), ...bounded("ratio", row.speedUp) }));
  return {
    title: "Tokens per second over plain decoding",
    description:
      "Points with 95 % intervals for every draft, by task, decoding and draft length; " +
      "left of the dashed line at 1 the draft costs time.",
    spec: dots(values, "ratio", "ratio to plain decoding", 1),
  };
}

/** Rows of one length, so that lines do not cover each other: the longest fixed one. */
function longestRows({ rows }: EvaluationReport): readonly ReportRow[] {
  const fixed = rows.filter(isChain).flatMap(({ gamma }) => gamma === "auto" ? [] : gamma);
  const longest = Math.max(0, ...fixed);
  const rule = rows[0]?.verify;
  return rows.filter(({ gamma, verify }) => gamma === longest && verify === rule);
}

function placesFigure(report: EvaluationReport): ReportFigure {
  const values = longestRows(report).flatMap((row) =>
    row.metrics.acceptanceConditional.map((accepted, i) => ({
      ...placeOf(row),
      place: i + 1,
      accepted,
    }))
  );
  return {
    title: "Acceptance by place",
    description: "Lines of the share of drafted tokens that stood, by their place in the draft, " +
      "among those whose predecessors stood.",
    spec: charts(values, {
      width: WIDTH,
      height: 120,
      mark: { type: "line", point: true },
      encoding: {
        x: {
          field: "place",
          type: "ordinal",
          title: "place in the draft",
          axis: { labelAngle: 0 },
        },
        y: { field: "accepted", type: "quantitative", title: "acceptance", scale: { zero: false } },
        color: { field: "draft", type: "nominal", sort: null },
      },
    }),
  };
}

function curvesFigure({ curves }: EvaluationReport): ReportFigure {
  const fixed = curves.filter(({ gamma }) => gamma !== "auto");
  const values = fixed.flatMap(({ points, run, task, decoding, gamma }) =>
    points.map(({ steps, tau }) => ({
      task,
      decoding,
      run,
      gamma: `${gamma}`,
      steps,
      ...bounded("tau", tau),
    }))
  );
  const x = { field: "steps", type: "quantitative", title: "finetuning steps" };
  const colour = { field: "run", type: "nominal", sort: null };
  const detail = { field: "gamma", type: "nominal" };
  const y = { field: "tau", type: "quantitative", title: "tau", scale: { zero: false } };
  return {
    title: "tau against finetuning steps",
    description: "Lines of tau with bands of 95 % intervals, one per loss; step 0 is the base.",
    spec: charts(values, {
      width: WIDTH,
      height: 140,
      layer: [
        {
          mark: { type: "area", opacity: 0.2 },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: colour, detail },
        },
        {
          mark: { type: "line", point: true },
          encoding: { x, y, color: colour, strokeDash: detail },
        },
      ],
    }),
  };
}

const PARTS = ["target", "draft", "verify", "host"] as const;

function timeFigure(report: EvaluationReport): ReportFigure {
  const timed = [
    ...report.plain.map((row) => ({ ...row, draft: "plain" })),
    ...longestRows(report).map((row) => ({ ...row, draft: row.name })),
  ].filter(({ metrics }) => metrics.tokens > 0 && decodingSeconds(metrics) > 0);
  const values = timed.flatMap(({ task, decoding, draft, metrics }) =>
    PARTS.map((part, order) => ({
      task,
      decoding,
      draft,
      part,
      order,
      milliseconds: 1000 * metrics.seconds[part] / metrics.tokens,
    }))
  );
  return {
    title: "Where the time goes",
    description: "Stacked bars of the milliseconds per token that the target, the draft, " +
      "verification and the host take.",
    spec: charts(values, {
      width: WIDTH,
      height: { step: 16 },
      mark: "bar",
      encoding: {
        x: { field: "milliseconds", type: "quantitative", title: "ms per token" },
        y: { field: "draft", type: "nominal", sort: null, title: null },
        color: { field: "part", type: "nominal", sort: [...PARTS], title: "time of" },
        order: { field: "order", type: "quantitative" },
      },
    }),
  };
}

/**
 * The figures of a report; those without data are left out.
 *
 * @example
 * ```ts
 * import { figuresOf, reportOf } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const head = { target: "t", tokenizer: "", dtype: "f32", cache: "f32", maxTokens: 8, seed: 1 };
 * assertEquals(figuresOf(reportOf({ head, records: [] })), []);
 * ```
 */
export function figuresOf(report: EvaluationReport): ReportFigure[] {
  const drafts = [tauFigure, speedFigure, curvesFigure, placesFigure, timeFigure]
    .map((make) => make(report));
  return [...(report.systems === undefined ? [] : systemsFigures(report.systems)), ...drafts]
    .filter(({ spec: { data } }) => JSON.stringify(data) !== '{"values":[]}');
}
