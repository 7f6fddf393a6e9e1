/**
 * Figures of systems side by side.
 *
 * @module
 */
import { bounded, charts, type ReportFigure, WIDTH } from "./charts.ts";
import { systemName } from "./system_name.ts";
import type { SystemRow, SystemsReport } from "./system_types.ts";

/** Names of systems with their settings are long. */
const SYSTEM_AXIS = {
  field: "system",
  type: "nominal",
  sort: null,
  title: null,
  axis: { labelLimit: 320 },
} as const;

const PARTS = ["drafting", "pass", "host"] as const;

/** Where a row belongs in the figures. */
function placeOf(row: SystemRow) {
  const { task, decoding } = row;
  return { task, decoding, system: systemName(row) };
}

function ratioFigure({ rows }: SystemsReport): ReportFigure {
  const values = rows.map((row) => ({ ...placeOf(row), ...bounded("ratio", row.speedUp) }));
  const y = SYSTEM_AXIS;
  const x = { field: "ratio", type: "quantitative", title: "ratio to plain decoding" };
  return {
    title: "Systems: tokens per second over plain decoding",
    description: "Points with 95 % intervals for every system, by task and decoding; left of the " +
      "dashed line at 1 the system costs time.",
    spec: charts(values, {
      width: WIDTH,
      height: { step: 18 },
      layer: [
        {
          mark: { type: "rule", strokeDash: [4, 3], color: "#888" },
          encoding: { x: { datum: 1 } },
        },
        { mark: "rule", encoding: { y, x: { ...x, field: "low" }, x2: { field: "high" } } },
        { mark: { type: "point", filled: true, size: 30 }, encoding: { y, x } },
      ],
    }),
  };
}

function costsFigure({ rows }: SystemsReport): ReportFigure {
  const values = rows.flatMap((row) =>
    PARTS.map((part, order) => ({
      ...placeOf(row),
      part,
      order,
      time: row.costs[part],
      allowed: row.tau.value * row.costs.plain,
    }))
  );
  const y = SYSTEM_AXIS;
  const x = { type: "quantitative", title: "plain target passes per step" };
  const color = { field: "part", type: "nominal", sort: [...PARTS], title: "time of" };
  return {
    title: "Systems: what a step takes, and may take",
    description:
      "Stacked bars of the time that drafting, the target's pass and the host take in a " +
      "step, in plain target passes; the tick is the time of tau plain steps: where the bar ends " +
      "before it, the system gains time.",
    spec: charts(values, {
      width: WIDTH,
      height: { step: 18 },
      layer: [
        {
          mark: "bar",
          encoding: { y, x: { ...x, field: "time" }, color, order: { field: "order" } },
        },
        {
          mark: { type: "tick", thickness: 2, color: "currentColor" },
          encoding: { y, x: { ...x, field: "allowed", stack: null } },
        },
      ],
    }),
  };
}

/** The figures of systems. */
export function systemsFigures(systems: SystemsReport): ReportFigure[] {
  return [ratioFigure(systems), costsFigure(systems)];
}
