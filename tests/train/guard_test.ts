/** The guard ends what cannot be saved, and nothing that is ordinary noise. */
import { assert, assertEquals } from "@std/assert";
import { foldIn, keyOf, normals, uniform } from "../../src/core/random.ts";
import {
  type GuardState,
  guardStep,
  isGood,
  NEW_GUARD,
  reasonToStop,
} from "../../src/train/guard.ts";

type Metrics = Readonly<Record<string, number>>;

/** The step at which a run of these metrics is ended, and the reason; undefined where it is not. */
function endOf(
  metrics: Iterable<Metrics>,
): { readonly step: number; readonly message: string; readonly good: number } | undefined {
  let state: GuardState = NEW_GUARD;
  let step = 0;
  let good = 0;
  for (const one of metrics) {
    step++;
    // What a checkpoint keeps must be all of it.
    state = guardStep(JSON.parse(JSON.stringify(state)), one);
    if (isGood(state, one)) good = step;
    const reason = reasonToStop(state, one, step);
    if (reason !== undefined) return { step, message: reason.message, good };
  }
  return undefined;
}

/** `count` losses about a course, with noise. */
function* losses(
  count: number,
  course: (step: number) => number,
  noise: (step: number) => number,
): Generator<Metrics> {
  for (let step = 1; step <= count; step++) yield { loss: course(step) + noise(step) };
}

const normal = (seed: number, scale: number) => (step: number) =>
  scale * normals(foldIn(keyOf(seed), step), 1)[0];
/** Noise without a variance: now and then it is a hundred times as large as usual. */
const heavy = (seed: number, scale: number) => (step: number) =>
  scale * Math.tan(Math.PI * (uniform(foldIn(keyOf(seed), step)) - 0.5));

const COURSES: Readonly<Record<string, (step: number) => number>> = {
  "flat": () => 3,
  "near zero": () => 0.002,
  "negative": () => -0.4,
  "falling fast, then slowly": (step) => 2 + 9 * Math.exp(-step / 150),
  "a warm-up that rises first": (step) =>
    9 + 0.3 * Math.min(1, step / 60) - Math.min(5, step / 400),
  "going up and down with the data": (step) => 2.5 + 0.4 * Math.sin(step / 40),
  "slowly getting worse by a third": (step) => 2 + step / 6000,
  "that of easy and hard texts in turns": (step) => step % 400 < 200 ? 4.5 : 1.2,
  "that of one long easy text": (step) => step > 1000 && step <= 1400 ? 0.8 : 4,
};

for (const [name, course] of Object.entries(COURSES)) {
  Deno.test(`no noise ends a run whose loss is ${name}`, () => {
    for (const scale of [0, 0.001, 0.05, 0.5]) {
      for (const noise of [normal(1, scale), heavy(2, scale)]) {
        assertEquals(endOf(losses(4000, course, noise)), undefined);
      }
    }
  });
}

Deno.test("a loss that jumps up and stays ends the run within 100 steps, and the state is bad at once", () => {
  for (const scale of [0, 0.02, 0.1]) {
    const course = (step: number) => step <= 700 ? 2 + Math.exp(-step / 100) : 7.5;
    const end = endOf(losses(2000, course, normal(3, scale)));
    assertEquals([end?.step, end?.good], [800, 700]);
    const message = end?.message ?? "";
    assert(
      /^expected a loss near 2\.[12]\d?, .* in steps 701 to 800: training diverges; /.test(
        message,
      ),
      message,
    );
    assert(!message.includes("\n"));
  }
});

Deno.test("a loss that grows faster and faster is seen too", () => {
  const course = (step: number) => 3 * Math.exp(Math.max(0, step - 500) / 100);
  const end = endOf(losses(2000, course, normal(4, 0.05)));
  assert(end !== undefined && end.step < 900, `${end?.step}`);
});

Deno.test("where there is an acceptance rate, its fall ends a run and the loss does not matter", () => {
  const alphas = (fall: number) =>
    Array.from({ length: 600 }, (_, i) => ({
      loss: i % 7 - 3,
      alpha: (i < 300 ? 0.6 : fall) + normal(5, 0.01)(i),
    }));
  assertEquals(endOf(alphas(0.55)), undefined);
  assert(/expected an alpha near 0\.(59|6)/.test(endOf(alphas(0.1))?.message ?? ""));
});

Deno.test("fewer than ten skipped steps in a row end nothing, ten do, and good ones count anew", () => {
  const skip = (inARow: number): Metrics => ({
    loss: NaN,
    gradientNorm: NaN,
    skipped: inARow,
    skippedInARow: inARow,
  });
  const good: Metrics = { loss: 1, gradientNorm: 1, skipped: 0, skippedInARow: 0 };
  const row = (length: number) => Array.from({ length }, (_, i) => skip(i + 1));
  assertEquals(endOf([...row(9), good, ...row(9), good]), undefined);
  const end = endOf([good, good, ...row(12)]);
  assertEquals([end?.step, end?.good], [12, 2]);
  assert(end?.message.startsWith("expected a finite loss, found NaN in steps 3 to 12; "));
});

Deno.test("gradients are named where they alone are not finite, and else the metric that is not", () => {
  const ten = { skipped: 10, skippedInARow: 10 };
  const named = (metrics: Metrics) =>
    endOf([{ ...metrics, ...ten }])?.message.match(/a finite (\w+), found (\S+)/)?.slice(1);
  assertEquals(named({ loss: 1, gradientNorm: Infinity }), ["gradientNorm", "Infinity"]);
  assertEquals(named({ alpha: NaN, loss: 1, gradientNorm: NaN }), ["alpha", "NaN"]);
});
