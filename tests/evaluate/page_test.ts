/** Reports for people: Markdown, a page, and figures that Vega-Lite draws as they are meant. */
import { assert, assertEquals } from "@std/assert";
import { drawFigures } from "../../examples/common/draw_figures.ts";
import {
  contestTables,
  type EvaluationReport,
  figuresOf,
  htmlOf,
  markdownOf,
  placesOf,
  reportOf,
} from "../../src/evaluate/mod.ts";
import { type MadeDraft, madeRecords, OUTSIDE } from "./made_records.ts";
import { HEAD } from "./small_plan.ts";

/** A report with everything in it. */
function fullReport(names = ["base", "kld@50", "kld@200", "tvd++"]): EvaluationReport {
  const drafts: MadeDraft[] = [
    ...names.map((name, i) => ({ name, tau: () => 1.5 + 0.1 * i })),
    { name: "lookup", kind: "lookup", sizeRatio: 0, tau: () => 1.2 },
    { name: "none", kind: "none", sizeRatio: 0, tau: () => 1 },
  ];
  const records = madeRecords({
    drafts,
    tasks: ["chat", "news", OUTSIDE],
    decodings: ["T=0", "T=1"],
    gammas: [3, "auto"],
    prompts: 4,
  });
  return reportOf({ head: HEAD, records });
}

/** The words of a page, without what is between angle brackets. */
function wordsOf(page: string): string {
  return page.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
}

Deno.test("every value of the tables is on the page and in the Markdown", () => {
  const report = fullReport();
  const [page, markdown] = [wordsOf(htmlOf(report, [])), markdownOf(report)];
  for (const { title, header, rows } of contestTables(report)) {
    for (const cell of [title, ...header, ...rows.flat()]) {
      assert(page.includes(cell) && markdown.includes(cell), cell);
    }
  }
  for (const { claim, verdict, text } of report.findings) {
    for (const words of [claim, verdict, text]) {
      assert(page.includes(words.replaceAll(">", "&gt;")) && markdown.includes(words), words);
    }
  }
});

Deno.test("what decoded on a device is said where a program knows it", () => {
  const whole = { device: ["plain", "base"], host: ["lookup"] };
  for (const [decoders, words] of [[whole, ["plain, base", "lookup"]], [undefined, []]] as const) {
    const report = reportOf({ head: HEAD, records: [], decoders });
    assertEquals(placesOf(report).map(([, names]) => names), words);
    for (const [place, names] of placesOf(report)) {
      assert(markdownOf(report).includes(`${place}: ${names}`));
      assert(wordsOf(htmlOf(report, [])).includes(place));
    }
  }
});

Deno.test("Markdown tables have as many cells in every line as in their header", () => {
  const markdown = markdownOf(fullReport(["base", "a|b", "kld@9"]));
  const tables = markdown.split("\n\n").filter((part) => part.startsWith("|"));
  assert(tables.length > 10);
  for (const table of tables) {
    const counts = table.trimEnd().split("\n").map((line) => line.split(/(?<!\\)\|/).length);
    assertEquals(new Set(counts).size, 1, table);
  }
});

Deno.test("names cannot write the page", async () => {
  const hostile = "<script>alert(1)</script>";
  const report = fullReport(["base", hostile]);
  const page = htmlOf({ ...report, target: hostile }, await drawFigures(figuresOf(report)));
  assert(!page.includes("<script"), "escaped in tables, findings, figures and the title");
  assert(page.includes("&lt;script&gt;"));
});

Deno.test("every figure is drawn with its data, for light and dark pages, and says what it shows", async () => {
  const figures = figuresOf(fullReport());
  assertEquals(figures.map(({ title }) => title), [
    "Tokens per target pass (tau)",
    "Tokens per second over plain decoding",
    "tau against finetuning steps",
    "Acceptance by place",
    "Where the time goes",
  ]);
  const drawn = await drawFigures(figures);
  assertEquals(drawn.length, figures.length);
  for (const { svg, title, description } of drawn) {
    assert(!/NaN|undefined|Infinity/.test(svg), title);
    assert(svg.includes("currentColor") && !svg.includes('fill="white"'), title);
    assert(
      ["chat", "news", "code", "T=0", "T=1"].every((word) => svg.includes(`>${word}<`)),
      title,
    );
    assert(description.length > 40);
  }
  const [tau, speed, curves] = drawn.map(({ svg }) => svg);
  assert(["tvd++", "kld@50", "lookup"].every((name) => tau.includes(`>${name}<`)));
  assert(speed.includes(">none<") && !tau.includes(">none<"), "plain decoding has no tau to show");
  assert(curves.includes(">kld<"), "a legend of runs");
  const page = htmlOf(fullReport(), drawn);
  assertEquals(page.match(/<svg/g)?.length, 5);
  assertEquals(new Set(page.match(/ id="[^"]+"/g)).size, page.match(/ id="[^"]+"/g)?.length);
});

Deno.test("figures are plain data: what JSON keeps of them is all of them", () => {
  for (const { spec } of figuresOf(fullReport())) {
    assertEquals(JSON.parse(JSON.stringify(spec)), spec);
  }
});
