/**
 * Figures of reports drawn as SVG by Vega-Lite, which only this file needs.
 *
 * @module
 */
import type { DrawnFigure, ReportFigure } from "@outrider/outrider/evaluate";
import type { TopLevelSpec } from "vega-lite";

/** The specifications of reports name the schema that Vega-Lite's type is made from. */
function isVegaLite(spec: object): spec is TopLevelSpec {
  return "$schema" in spec;
}

/** Draws figures one after another. */
export async function drawFigures(figures: readonly ReportFigure[]): Promise<DrawnFigure[]> {
  // Loaded only where there is something to draw: it takes half a second.
  const [{ Error: quiet, logger, parse, View }, { compile }] = await Promise.all([
    import("vega"),
    import("vega-lite"),
  ]);
  const drawn: DrawnFigure[] = [];
  for (const { title, description, spec } of figures) {
    if (!isVegaLite(spec)) continue;
    const compiled = compile(spec, { logger: logger(quiet) });
    const view = new View(parse(compiled.spec), { renderer: "none", logLevel: quiet });
    drawn.push({ title, description, svg: await view.toSVG() });
    view.finalize();
  }
  return drawn;
}
