/**
 * A report as one HTML page that needs nothing from elsewhere.
 *
 * @module
 */
import { factsOf, INTERVALS } from "./report_text.ts";
import type { EvaluationReport, Finding } from "./report_types.ts";
import { tablesOf } from "./report_tables.ts";
import type { ReportTable, TableGroup } from "./tables.ts";

/** A figure that was drawn. */
export interface DrawnFigure {
  /** Short, for a heading. */
  readonly title: string;
  /** What it shows, for those who do not see it. */
  readonly description: string;
  /** An SVG element. */
  readonly svg: string;
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; } h3 { font-size: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { opacity: .7; } dd { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 600; }
svg { max-width: 100%; height: auto; }
summary { cursor: pointer; } summary h2 { display: inline-block; margin: 1rem 0; }
section dl { display: block; } .claim { margin-top: 1rem; opacity: 1; }
.verdict { font-weight: 600; }
`;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function tag(name: string, content: string, attributes = ""): string {
  return `<${name}${attributes}>${content}</${name}>`;
}

function factsHtml(report: EvaluationReport): string {
  const pairs = factsOf(report).map(([name, value]) =>
    tag("dt", escaped(name)) + tag("dd", escaped(value))
  );
  return tag("dl", pairs.join("\n"));
}

function findingHtml({ claim, verdict, text }: Finding): string {
  const label = tag("span", `${escaped(verdict)}.`, ' class="verdict"');
  return tag("dt", escaped(claim), ' class="claim"') + tag("dd", `${label} ${escaped(text)}`);
}

function tableHtml({ title, header, rows }: ReportTable): string {
  const head = tag("tr", header.map((cell) => tag("th", escaped(cell), ' scope="col"')).join(""));
  const body = rows.map(([first, ...cells]) =>
    tag(
      "tr",
      tag("th", escaped(first), ' scope="row"') +
        cells.map((cell) => tag("td", escaped(cell))).join(""),
    )
  );
  const table = tag("table", tag("thead", head) + tag("tbody", body.join("\n")));
  return tag("h3", escaped(title)) + tag("div", table, ' class="scroll"');
}

/** The first group is open; the others are many numbers that few will want. */
function groupHtml({ title, note, tables }: TableGroup, index: number): string {
  const heading = tag("summary", tag("h2", escaped(title)));
  const content = [heading, tag("p", escaped(note)), ...tables.map(tableHtml)];
  return tag("details", content.join("\n"), index === 0 ? " open" : "");
}

/** The drawing with a name and a description that are read out in its place. */
function figureHtml({ title, description, svg }: DrawnFigure, index: number): string {
  const [name, about] = [`figure-${index}-title`, `figure-${index}-about`];
  const labels = tag("title", escaped(title), ` id="${name}"`) +
    tag("desc", escaped(description), ` id="${about}"`);
  const labelled = svg.replace(
    /<svg([^>]*)>/,
    (_, attributes: string) =>
      `<svg${attributes} role="img" aria-labelledby="${name} ${about}">${labels}`,
  );
  return tag("figure", `${tag("figcaption", escaped(title))}\n${labelled}`);
}

/**
 * A report as one HTML page: findings in words, figures, tables.
 *
 * @param figures drawings of `figuresOf` the report
 * @example
 * ```ts
 * import { htmlOf, reportOf } from "@outrider/outrider/evaluate";
 * import { assert } from "@std/assert";
 *
 * const head = { target: "a<b", tokenizer: "", dtype: "f32", cache: "f32", maxTokens: 8, seed: 1 };
 * assert(htmlOf(reportOf({ head, records: [] }), []).includes("<h1>Drafts for a&lt;b</h1>"));
 * ```
 */
export function htmlOf(report: EvaluationReport, figures: readonly DrawnFigure[]): string {
  const title = `Drafts for ${escaped(report.target)}`;
  const head = [
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    tag("title", title),
    tag("style", STYLE),
  ];
  const findings = tag("dl", report.findings.map(findingHtml).join("\n"));
  const drawn = figures.length === 0 ? [] : [
    tag("section", [tag("h2", "Figures"), ...figures.map(figureHtml)].join("\n")),
  ];
  const main = [
    tag("h1", title),
    factsHtml(report),
    tag("section", `${tag("h2", "What holds")}\n${findings}\n${tag("p", escaped(INTERVALS))}`),
    ...drawn,
    ...tablesOf(report).map(groupHtml),
  ];
  return [
    "<!doctype html>",
    '<html lang="en">',
    tag("head", `\n${head.join("\n")}\n`),
    tag("body", tag("main", `\n${main.join("\n")}\n`)),
    "</html>\n",
  ].join("\n");
}
