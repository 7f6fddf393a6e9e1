/**
 * Passes over rows with parents beside passes over chains.
 *
 * @module
 */
import { llamaModel } from "@outrider/outrider/decode";
import type { LoadedModel } from "../../examples/common/models.ts";
import { someTokens } from "./decoding.ts";
import type { Bench } from "./program.ts";
import { type Findings, joinFindings } from "./report.ts";
import { runRounds, secondsOf, type Side } from "./rounds.ts";
import { ratioOf } from "./statistics.ts";

/** Sizes of passes, and how often they are measured. */
export interface PassSettings {
  /** Rows of a pass. */
  readonly rows: readonly number[];
  readonly contextTokens: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** A tree as drafters make it: a wide first place, fewer behind it, four deep. */
function bushyRows(tokens: readonly number[]): { token: number; parent: number }[] {
  return tokens.map((token, i) => ({
    token,
    parent: i === 0 ? -1 : i === 1 ? 0 : i < tokens.length / 2 ? 0 : Math.floor(i / 3),
  }));
}

/** What passes over trees take beside chains of as many rows, and v(M). */
export async function passFindings(
  bench: Bench,
  { parts }: Pick<LoadedModel, "parts">,
  settings: PassSettings,
): Promise<Findings> {
  if (!bench.wants("passes")) return joinFindings([]);
  const model = llamaModel(parts);
  const context = someTokens(settings.contextTokens, model.vocabulary);
  let { cache } = await model.forward(model.open(), context, 0);
  const sideOf = (name: string, pass: () => ReturnType<typeof model.forward>): Side => ({
    name,
    unit: "ms",
    measure: async () => {
      const seconds = await secondsOf(async () => cache = (await pass()).cache);
      cache = model.truncate(cache, context.length);
      return 1000 * seconds;
    },
  });
  const sides = settings.rows.flatMap((rows) => {
    const tokens = someTokens(rows, model.vocabulary);
    const places = tokens.map((_, place) => place);
    return [
      sideOf(`chain of ${rows} rows`, () => model.forward(cache, tokens, rows)),
      sideOf(`tree of ${rows} rows`, () => model.forwardTree(cache, bushyRows(tokens), places)),
    ];
  });
  const one = sideOf("one row", () => model.forward(cache, [1], 1));
  const options = bench.roundOptions("passes", settings);
  const [single, ...series] = await runRounds([one, ...sides], options);
  model.close(cache);
  const ratios = settings.rows.flatMap((rows, i) => [
    ratioOf(`tree / chain of ${rows} rows`, series[2 * i + 1], series[2 * i], { better: "less" }),
    ratioOf(`v(${rows}), a tree's`, series[2 * i + 1], single, { better: "less" }),
  ]);
  return { series: [single, ...series], ratios, remarks: [] };
}
