/** The figures of speculative decoding. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { StepReport } from "../../src/decode/mod.ts";
import { metricsOf } from "../../src/evaluate/mod.ts";

function report(drafted: number, accepted: number): StepReport {
  const seconds = { prefill: 0, draft: 0.25, target: 0.5, verify: 0.125, host: 0.125 };
  return { drafted, accepted, emitted: accepted + 1, seconds };
}

const reports = [report(3, 3), report(3, 1), report(3, 0), report(3, 1), report(1, 1)];

Deno.test("block efficiency counts given-out tokens per target pass, the bonus token included", () => {
  const { tokens, targetPasses, blockEfficiency } = metricsOf(reports, { draftSizeRatio: 0 });
  assertEquals([tokens, targetPasses], [11, 5]);
  assertAlmostEquals(blockEfficiency, 11 / 5, 1e-15);
});

Deno.test("acceptance is over judged tokens, draft efficiency over drafted ones", () => {
  const metrics = metricsOf(reports, { draftSizeRatio: 0 });
  assertAlmostEquals(metrics.acceptance, 6 / (3 + 2 + 1 + 2 + 1), 1e-15);
  assertAlmostEquals(metrics.draftEfficiency, 6 / 13, 1e-15);
});

Deno.test("acceptance per position is joint, and conditional on all tokens before", () => {
  const metrics = metricsOf(reports, { draftSizeRatio: 0 });
  assertEquals(metrics.acceptanceJoint, [4 / 5, 1 / 4, 1 / 4]);
  assertEquals(metrics.acceptanceConditional, [4 / 5, 1 / 3, 1]);
});

Deno.test("the memory-bound speed-up is tau over 1 + c gamma", () => {
  const metrics = metricsOf([report(3, 2), report(3, 1)], { draftSizeRatio: 0.0164 });
  assertAlmostEquals(metrics.memoryBoundSpeedUp, 2.5 / (1 + 3 * 0.0164), 1e-15);
});

Deno.test("tokens per second leave the prefill out", () => {
  const first = { ...report(3, 2), seconds: { ...report(3, 2).seconds, prefill: 100 } };
  const metrics = metricsOf([first, report(3, 0)], { draftSizeRatio: 0 });
  assertEquals(metrics.seconds, { prefill: 100, draft: 0.5, target: 1, verify: 0.25, host: 0.25 });
  assertEquals(metrics.tokensPerSecond, 4 / 2);
});

Deno.test("no steps give zeros, not NaN", () => {
  const metrics = metricsOf([], { draftSizeRatio: 0.1 });
  const figures = [metrics.blockEfficiency, metrics.acceptance, metrics.memoryBoundSpeedUp];
  assertEquals([...figures, metrics.tokensPerSecond], [0, 0, 0, 0]);
  assertEquals(metrics.acceptanceJoint, []);
});

Deno.test("plain decoding has block efficiency 1 and no acceptance", () => {
  const metrics = metricsOf([report(0, 0), report(0, 0)], { draftSizeRatio: 0.5 });
  assertEquals([metrics.blockEfficiency, metrics.memoryBoundSpeedUp, metrics.acceptance], [
    1,
    1,
    0,
  ]);
});
