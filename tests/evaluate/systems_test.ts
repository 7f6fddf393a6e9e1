/** Systems side by side: what they cost, when they would pay, and what a report says of each. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { drawFigures } from "../../examples/common/draw_figures.ts";
import { foldIn, keyOf, uniform } from "../../src/core/random.ts";
import type { Seconds } from "../../src/decode/mod.ts";
import {
  breakEvenOf,
  type EvaluationRecord,
  type EvaluationReport,
  figuresOf,
  htmlOf,
  markdownOf,
  type MeasuredSystem,
  NO_TALLY,
  reportOf,
  type StepCosts,
  stepCostsOf,
  type SystemRow,
  type Systems,
} from "../../src/evaluate/mod.ts";
import { HEAD } from "./small_plan.ts";

/** Costs and a tau, by a number. */
function drawn(i: number): { readonly tau: number; readonly costs: StepCosts } {
  const coin = (name: string): number => uniform(foldIn(foldIn(keyOf(9), i), name));
  const plain = 1 + 0.3 * coin("plain");
  const costs = {
    drafting: 1.5 * coin("drafting"),
    pass: 1 + 2 * coin("pass"),
    host: coin("host") ** 4,
    plain,
  };
  return { tau: 1 + 3 * coin("tau"), costs };
}

/** The ratio of speeds to plain decoding. */
function ratioOf(tau: number, { drafting, pass, host, plain }: StepCosts): number {
  return tau * plain / (drafting + pass + host);
}

Deno.test("at each bound alone a system is as fast as plain decoding, and it has one where it loses", () => {
  const seen = new Map<string, number>();
  const count = (name: string) => seen.set(name, (seen.get(name) ?? 0) + 1);
  for (let i = 0; i < 2000; i++) {
    const { tau, costs } = drawn(i);
    const found = breakEvenOf(tau, costs);
    assertEquals(found === undefined, ratioOf(tau, costs) >= 1);
    if (found === undefined) continue;
    count(found.because);
    assertAlmostEquals(ratioOf(found.tau, costs), 1, 1e-12);
    const { drafting, pass, draftingWithFreeRows } = found;
    if (drafting === undefined) assert(ratioOf(tau, { ...costs, drafting: 0 }) < 1);
    else assertAlmostEquals(ratioOf(tau, { ...costs, drafting }), 1, 1e-12);
    if (pass === undefined) assert(ratioOf(tau, { ...costs, pass: 1 }) < 1);
    else assertAlmostEquals(ratioOf(tau, { ...costs, pass }), 1, 1e-12);
    const free = { ...costs, pass: 1 };
    if (draftingWithFreeRows === undefined) assert(ratioOf(tau, { ...free, drafting: 0 }) < 1);
    else {
      count("free rows");
      assertAlmostEquals(ratioOf(tau, { ...free, drafting: draftingWithFreeRows }), 1, 1e-12);
    }
  }
  assertEquals(new Set(seen.keys()), new Set(["drafting", "pass", "host", "free rows"]));
});

Deno.test("costs are ratios of what steps took, whatever the unit of time", () => {
  const seconds = { prefill: 9, draft: 3, target: 8, verify: 1, host: 1 };
  const tally = { ...NO_TALLY, passes: 4, seconds };
  const plain = { ...NO_TALLY, passes: 10, seconds: { ...seconds, draft: 0, target: 10 } };
  const costs = { drafting: 0.75, pass: 2, host: 0.5, plain: 1.2 };
  assertEquals(stepCostsOf(tally, plain), costs);
  assertEquals(stepCostsOf(NO_TALLY, NO_TALLY), { drafting: 0, pass: 0, host: 0, plain: 1 });
});

/** What a made system's texts of 64 tokens are like; plain ones take 8 seconds. */
interface MadeSystem {
  readonly draft: string;
  readonly kind: "model" | "block" | "none";
  readonly gamma: number | "auto";
  readonly verify: string;
  readonly passes: number;
  readonly drafted: number;
  readonly stood: number;
  readonly seconds: Partial<Seconds>;
  readonly decodings?: readonly string[];
}

const AR = {
  draft: "none",
  kind: "none",
  gamma: 0,
  verify: "block",
  drafted: 0,
  stood: 0,
} as const;
const MADE: readonly MadeSystem[] = [
  { ...AR, passes: 64, seconds: { target: 8 } },
  // tau 2, a pass of 1.5 and drafting of 1: it would win at half of that.
  {
    draft: "tvd++",
    kind: "model",
    gamma: 3,
    verify: "block",
    passes: 32,
    drafted: 96,
    stood: 20,
    seconds: { target: 6, draft: 4 },
  },
  // The same drafts while the target works: two passes together.
  {
    draft: "tvd++",
    kind: "model",
    gamma: "auto",
    verify: "pearl",
    passes: 40,
    drafted: 80,
    stood: 20,
    seconds: { target: 5, draft: 5 },
  },
  {
    draft: "block",
    kind: "block",
    gamma: 16,
    verify: "tree",
    passes: 16,
    drafted: 256,
    stood: 12,
    seconds: { target: 4, draft: 0.5 },
  },
  {
    draft: "tvd++",
    kind: "model",
    gamma: 4,
    verify: "multi-draft",
    passes: 32,
    drafted: 128,
    stood: 16,
    seconds: { target: 4, draft: 0.5 },
    decodings: ["T=1"],
  },
];

function records(): EvaluationRecord[] {
  return ["T=0", "T=1"].flatMap((decoding) =>
    Array.from({ length: 6 }, (_, prompt) => {
      const shared = {
        task: { name: "chat", outOfDistribution: false },
        prompt,
        promptDigest: `${prompt}`,
        decoding: { name: decoding, greedy: decoding === "T=0" },
        visit: 1,
      };
      const tally = { ...NO_TALLY, tokens: 64, passes: 64 };
      const plain = { ...tally, seconds: { ...NO_TALLY.seconds, target: 8 } };
      const texts = MADE.filter(({ decodings }) => decodings?.includes(decoding) ?? true)
        .map(({ draft: name, kind, gamma, verify, passes, drafted, stood, seconds }) => ({
          ...shared,
          arm: { draft: { name, kind, fingerprint: "", sizeRatio: 0 }, gamma, verify },
          // Sampled, chains give other texts than plain decoding does.
          digest: decoding === "T=0" || verify === "tree" || kind === "none" ? "text" : "other",
          tally: {
            ...tally,
            passes,
            drafted,
            accepted: 64 - passes,
            judged: 64,
            long: drafted === 0 ? [] : [passes],
            reached: drafted === 0 ? [] : [passes],
            stood: drafted === 0 ? [] : [stood],
            seconds: { ...NO_TALLY.seconds, ...seconds },
          },
        }));
      return [{ ...shared, digest: "text", tally: plain }, ...texts];
    }).flat()
  );
}

const CHAIN = {
  drafts: "chains",
  draftPasses: "per token",
  models: "in turns",
  sampled: "law",
} as const;

function system(title: string, place: number, more: Partial<MeasuredSystem> = {}): MeasuredSystem {
  const { draft, gamma, verify } = MADE[place];
  const setting = gamma === 0 ? "" : `gamma ${gamma}`;
  return { ...CHAIN, title, arms: [{ draft, gamma, verify, setting }], ...more };
}

const SYSTEMS: Systems = {
  measured: [
    system("AR", 0, { draftPasses: 0, sampled: "tokens" }),
    system("chain", 1),
    system("PEARL", 2, { models: "at once" }),
    system("tree", 3, { drafts: "trees", draftPasses: 1, sampled: "tokens" }),
    system("multi-draft", 4, { drafts: "trees", draftPasses: 2 }),
    { ...CHAIN, title: "unseen", arms: [{ draft: "kld", gamma: 3, verify: "block", setting: "" }] },
  ],
  missing: [{ title: "CTC", reason: "needs a CTC drafter", commands: ["first", "deno task ctc"] }],
};

function made(): { readonly report: EvaluationReport; readonly rows: readonly SystemRow[] } {
  const report = reportOf({ head: HEAD, records: records(), systems: SYSTEMS });
  return { report, rows: report.systems?.rows ?? [] };
}

function rowOf(title: string, decoding: string): SystemRow {
  const found = made().rows.find((row) => row.title === title && row.decoding === decoding);
  if (found === undefined) throw new Error(`no row of ${title} at ${decoding}`);
  return found;
}

Deno.test("rows come by task and decoding in the order of systems, each only where it was measured", () => {
  assertEquals(made().rows.map(({ title, decoding }) => `${title} ${decoding}`), [
    ...["AR T=0", "chain T=0", "PEARL T=0", "tree T=0"],
    ...["AR T=1", "chain T=1", "PEARL T=1", "tree T=1", "multi-draft T=1"],
  ]);
  assertEquals(reportOf({ head: HEAD, records: records() }).systems, undefined);
});

Deno.test("a chain that loses says which cost it is and the ratio at which it would win", () => {
  const { tau, speedUp, acceptance, costs, rows, loss } = rowOf("chain", "T=0");
  assertEquals([tau.value, speedUp.value, acceptance, rows], [2, 0.8, 0.5, 4]);
  assertEquals(costs, { drafting: 1, pass: 1.5, host: 0, plain: 1 });
  assertEquals([loss?.because, loss?.drafting, loss?.tau], ["drafting", 0.5, 2.5]);
  // Three draft passes took as long as one of the target's: 3 to 1, and 6 to 1 would do.
  assertEquals([loss?.targetOverDraft, loss?.winsFrom, loss?.winsWithFreeRowsFrom], [3, 6, 3]);
});

Deno.test("where both models run at once, their time together decides", () => {
  const { costs, loss } = rowOf("PEARL", "T=0");
  assertEquals([costs.drafting, costs.pass], [1, 1]);
  assertEquals([loss?.because, loss?.together, loss?.tau], ["pass", 1.6, 2]);
  assertEquals([loss?.targetOverDraft, loss?.winsFrom], [2, 2 / 1.6]);
});

Deno.test("what gains time has no loss, and trees count the passes in which a drafted token stood", () => {
  const { loss, acceptance, speedUp, rows } = rowOf("tree", "T=1");
  assertEquals([loss, acceptance, rows], [undefined, 0.75, 17]);
  assertAlmostEquals(speedUp.value, 8 / 4.5, 1e-12);
  assertEquals(rowOf("AR", "T=0").loss, undefined);
});

Deno.test("exactness is equal texts where they must be equal, and else said to be in law", () => {
  for (const { title, decoding, exactness } of made().rows) {
    const inLaw = decoding === "T=1" && ["chain", "PEARL", "multi-draft"].includes(title);
    const expected = inLaw ? { by: "law" } : { by: "tokens", equal: 6, texts: 6 };
    assertEquals(exactness, expected, `${title} ${decoding}`);
  }
});

Deno.test("Markdown, the page and JSON hold every system, and those left out with what makes them", () => {
  const { report } = made();
  for (const text of [markdownOf(report), htmlOf(report, [])]) {
    for (
      const part of ["chain, gamma 3", "CTC", "needs a CTC drafter", "deno task ctc", "in law"]
    ) {
      assert(text.includes(part), part);
    }
    assert(text.indexOf("Systems") < text.indexOf(">Drafts<") || !text.startsWith("<"));
    assert(!text.includes("NaN") && !text.includes("undefined"), text);
  }
  const stored: EvaluationReport = JSON.parse(JSON.stringify(report));
  assertEquals(stored.systems?.missing, SYSTEMS.missing);
  assertEquals(stored.systems?.rows.length, 9);
});

Deno.test("two figures show every system: the ratio, and what a step takes beside what it may", async () => {
  const { report } = made();
  const figures = figuresOf(report).filter(({ title }) => title.startsWith("Systems: "));
  assertEquals(figures.length, 2);
  assertEquals(figuresOf(reportOf({ head: HEAD, records: records() })).length, 4);
  const drawn = await drawFigures(figures);
  assertEquals(drawn.length, 2);
  for (const { svg } of drawn) {
    for (const name of ["AR", "chain, gamma 3", "PEARL, gamma auto", "multi-draft, gamma 4"]) {
      assert(svg.includes(`>${name}<`), name);
    }
    assert(!/NaN|undefined|Infinity/.test(svg) && svg.includes("currentColor"));
  }
});

Deno.test("a system at the models' own pace is no automatic length, and no chain of three", () => {
  const { findings } = made().report;
  const of = (claim: string) => findings.find((one) => one.claim.startsWith(claim));
  assertEquals(of("With an automatic draft length")?.verdict, "not measured");
  assert(of("tau reaches 2.3")?.text.includes("tvd++, chat, gamma 3"));
  assert(of("A draft gains wall-clock time")?.text.includes("block, gamma 16, T=0, tree"));
});
