/** What a report says in words follows the intervals: above, below, and within noise. */
import { assert, assertEquals } from "@std/assert";
import { type Finding, reportOf } from "../../src/evaluate/mod.ts";
import { type MadeDraft, type MadeOptions, madeRecords, OUTSIDE } from "./made_records.ts";
import { HEAD } from "./small_plan.ts";

const DECODINGS = ["T=0", "T=1"];

/** A draft with one tau in distribution and another outside. */
function draft(name: string, inside: number, outside = inside): MadeDraft {
  return { name, tau: (task) => task === OUTSIDE ? outside : inside };
}

/** The finding whose claim begins so. */
function finding(claim: string, options: MadeOptions): Finding {
  const records = madeRecords({ decodings: DECODINGS, ...options });
  const { findings } = reportOf({ head: HEAD, records });
  const found = findings.find((one) => one.claim.startsWith(claim));
  if (found === undefined) throw new Error(`no finding "${claim}"`);
  return found;
}

function verdicts(
  claim: string,
  cases: readonly (readonly [expected: string, options: MadeOptions])[],
): void {
  for (const [expected, options] of cases) {
    const { verdict, text } = finding(claim, options);
    assertEquals(verdict, expected, text);
  }
}

Deno.test("losslessness is a count of greedy texts, whatever is sampled", () => {
  const claim = "Under greedy decoding no draft changes a text";
  verdicts(claim, [
    ["holds", { drafts: [draft("kld", 2)] }],
    ["does not hold", { drafts: [draft("kld", 2), draft("tvd", 2)], wrong: "tvd" }],
    ["not measured", { drafts: [draft("kld", 2)], decodings: ["T=1"], wrong: "kld" }],
  ]);
  const options = { drafts: [draft("kld", 2), draft("tvd", 2)], wrong: "tvd", tasks: ["a", "b"] };
  const { text } = finding(claim, options);
  assertEquals(text, "40 of 80 texts differ from those of plain decoding.");
});

Deno.test("finetuning lifts tau where the interval of its ratio says so", () => {
  const base = draft("base", 1.5);
  verdicts("Finetuning lifts tau in distribution", [
    ["holds", { drafts: [base, draft("kld", 1.8), draft("tvd", 1.7)] }],
    ["holds in part", { drafts: [base, draft("kld", 1.8), draft("tvd", 1.3)] }],
    ["does not hold", { drafts: [base, draft("kld", 1.3), draft("tvd", 1.2)] }],
    ["within noise", { drafts: [base, draft("kld", 1.505)], scatter: 0.5 }],
    ["not measured", { drafts: [draft("kld", 1.8)] }],
    ["not measured", { drafts: [base, { ...draft("lookup", 2), kind: "lookup" }] }],
  ]);
});

Deno.test("of a run the draft that went furthest counts", () => {
  const drafts = [draft("base", 1.5), draft("kld@10", 1.2), draft("kld@200", 1.9)];
  const lift = finding("Finetuning lifts tau in distribution", { drafts });
  assertEquals(lift.verdict, "holds");
  assert(/Most: \+2\d % \[\+2\d, \+\d\d\] \(kld@200, gamma 3, T=/.test(lift.text), lift.text);
  const growth = finding("tau grows with finetuning steps", { drafts });
  assertEquals(growth.verdict, "holds");
  assert(growth.text.startsWith("Of 2 runs in all settings 2 rise, 0 fall"), growth.text);
  assert(growth.text.includes("kld +0.4"), growth.text);
  assert(growth.text.includes("from step 0 to 200 (gamma 3, T=0)"), growth.text);
});

Deno.test("TVD++ against KLD is judged where tokens are sampled, whichever was measured first", () => {
  const claim = "TVD++ gives a higher tau than KLD";
  const greedyOnly = (name: string, greedy: number, sampled: number): MadeDraft => ({
    name,
    tau: (_, decoding) => decoding === "T=0" ? greedy : sampled,
  });
  const [kld, above] = [draft("kld", 1.7), greedyOnly("tvd++", 1.2, 1.9)];
  verdicts(claim, [
    ["holds", { drafts: [kld, above] }],
    ["holds", { drafts: [above, kld] }],
    ["does not hold", { drafts: [kld, draft("tvd++", 1.6)] }],
    ["does not hold", { drafts: [draft("tvd++", 1.6), kld] }],
    ["within noise", { drafts: [kld, draft("tvd++", 1.701)], scatter: 0.5 }],
    ["not measured", { drafts: [kld, draft("tvd", 1.9)] }],
    ["not measured", { drafts: [kld, above], decodings: ["T=0"] }],
  ]);
  const [a, b] = [[kld, above], [above, kld]].map((drafts) => finding(claim, { drafts }).text);
  assert(/^tvd\+\+ minus kld in tau: \+0\.\d\d \[.*\] at gamma 3, T=1\.$/.test(a), a);
  assertEquals(a.slice(0, 32), b.slice(0, 32));
});

Deno.test("out of distribution the claim is that all lose", () => {
  const tasks = ["chat", OUTSIDE];
  const base = draft("base", 1.5);
  verdicts("Out of distribution every finetuned draft", [
    ["holds", { tasks, drafts: [base, draft("kld", 2, 1.3), draft("tvd", 2, 1.2)] }],
    ["holds in part", { tasks, drafts: [base, draft("kld", 2, 1.3), draft("tvd", 2, 1.8)] }],
    ["does not hold", { tasks, drafts: [base, draft("kld", 1.2, 1.9)] }],
    ["within noise", { tasks, drafts: [base, draft("kld", 2, 1.505)], scatter: 0.5 }],
    ["not measured", { tasks: ["chat"], drafts: [base, draft("kld", 1.2)] }],
  ]);
});

Deno.test("tau is held against the paper's best at gamma 3", () => {
  verdicts("tau reaches 2.3 at gamma 3", [
    ["holds", { drafts: [draft("kld", 2.5)] }],
    ["does not hold", { drafts: [draft("kld", 2)] }],
    ["within noise", { drafts: [draft("kld", 2.3)] }],
    ["not measured", { drafts: [draft("kld", 2.5)], gammas: [5] }],
    ["not measured", { drafts: [{ ...draft("lookup", 2.5), kind: "lookup" }] }],
  ]);
});

/** A draft with a ratio of speeds by task. */
function timed(name: string, speeds: Readonly<Record<string, number>>): MadeDraft {
  return { ...draft(name, 1.8), speed: (task) => speeds[task] };
}

Deno.test("time is gained on a task where the best draft's interval lies above 1", () => {
  const tasks = ["chat", "news"];
  const claim = "A draft gains wall-clock time";
  verdicts(claim, [
    ["holds", {
      tasks,
      drafts: [timed("a", { chat: 1.3, news: 0.5 }), timed("b", { chat: 1, news: 1.2 })],
    }],
    ["holds in part", { tasks, drafts: [timed("a", { chat: 1.3, news: 0.9 })] }],
    ["does not hold", { tasks, drafts: [timed("a", { chat: 0.8, news: 0.9 })] }],
    ["within noise", { tasks, drafts: [timed("a", { chat: 1, news: 1 })] }],
  ]);
  const { text } = finding(claim, { tasks, drafts: [timed("a", { chat: 1.3, news: 0.9 })] });
  assert(
    /^The best ratio .* above 1: chat 1\.30 \[.*\] \(a, gamma 3, T=\d\)\. No .* on news; .* news 0\.90/
      .test(
        text,
      ),
    text,
  );
});

Deno.test("a draft that never ran ahead gains no time, whatever the clock says", () => {
  const idle: MadeDraft = { ...timed("idle", { chat: 1.3 }), tau: () => 1 };
  verdicts("A draft gains wall-clock time", [
    ["within noise", { drafts: [idle], scatter: 0.01 }],
    ["holds", { drafts: [idle, timed("a", { chat: 1.2 })], scatter: 0.01 }],
  ]);
});

Deno.test("an automatic length loses nothing as long as no interval lies below 1", () => {
  const gammas = ["auto"] as const;
  verdicts("With an automatic draft length", [
    ["holds", { gammas, drafts: [timed("a", { chat: 1.2 })] }],
    ["holds", { gammas, drafts: [timed("a", { chat: 1 })] }],
    ["holds in part", { gammas, drafts: [timed("a", { chat: 1.2 }), timed("b", { chat: 0.8 })] }],
    ["does not hold", { gammas, drafts: [timed("a", { chat: 0.8 })] }],
    ["not measured", { drafts: [timed("a", { chat: 0.8 })] }],
  ]);
});

Deno.test("a trained draft is held against lookup and self, and plain decoding against itself", () => {
  const lookup: MadeDraft = { ...timed("lookup", { chat: 1.1 }), kind: "lookup" };
  verdicts("A trained draft is faster", [
    ["holds", { drafts: [lookup, timed("a", { chat: 1.4 })] }],
    ["does not hold", { drafts: [lookup, timed("a", { chat: 0.9 })] }],
    ["within noise", { drafts: [lookup, timed("a", { chat: 1.1 })] }],
    ["not measured", { drafts: [lookup] }],
  ]);
  const none = (speed: number): MadeDraft => ({ ...timed("none", { chat: speed }), kind: "none" });
  verdicts("Plain decoding measured against itself", [
    ["holds", { drafts: [none(1)] }],
    ["does not hold", { drafts: [none(1.2)] }],
    ["not measured", { drafts: [lookup] }],
  ]);
});
