import { assert, assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { OpName } from "../../src/core/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { BACKENDS, casesFor, testOn } from "./backends.ts";
import type { OpCases } from "./case.ts";
import { ATTENTION_CASES } from "./cases_attention.ts";
import { ELEMENTWISE_CASES } from "./cases_elementwise.ts";
import { MOVEMENT_CASES } from "./cases_movement.ts";
import { PRODUCT_CASES } from "./cases_product.ts";
import { REDUCTION_CASES } from "./cases_reduction.ts";
import { complaints } from "./run_case.ts";

/** The cases of every operation; an operation without a row does not compile. */
const CONFORMANCE: { readonly [name in OpName]: OpCases } = {
  ...ELEMENTWISE_CASES,
  ...MOVEMENT_CASES,
  ...REDUCTION_CASES,
  ...PRODUCT_CASES,
  ...ATTENTION_CASES,
};

Deno.test("every operation has conformance cases, and they contain the operation", () => {
  for (const [name, { cases }] of Object.entries(CONFORMANCE)) {
    assert(cases.length > 0, name);
    const containing = cases.filter((each) => {
      const inputs = each.inputs.map(({ shape, type }) => core.input(shape, type));
      return core.topologicalOrder([each.f(...inputs)]).some(({ op }) => op.name === name);
    });
    // A few cases are degenerate: moving nothing makes no node.
    assert(containing.length >= cases.length / 2, `${name}: ${containing.length}`);
  }
});

for (const backend of BACKENDS) {
  for (const [op, cases] of Object.entries(CONFORMANCE)) {
    const { taken, count } = casesFor(backend, cases.cases);
    testOn(backend, `${op} equals the reference in ${count} cases`, async (opened) => {
      const device = createDevice(opened);
      const wrong: string[] = [];
      for (const each of taken) {
        try {
          wrong.push(...await complaints(device, each, cases));
        } catch (error) {
          wrong.push(`${each.label}: ${error instanceof Error ? error.stack : error}`);
        }
      }
      assertEquals(wrong.slice(0, 20), [], `${wrong.length} complaints`);
      assertEquals(device.counters().liveSlots, 0);
      device.close();
    });
  }
}
