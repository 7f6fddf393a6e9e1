/** Decoders on a device go on from the last text's keys and values as if they had read it anew. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressiveOnDevice,
  rememberPrefixOnDevice,
  speculativeOnDevice,
} from "../../../src/decode/mod.ts";
import { createDevice, type Device } from "../../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../../conformance/backends.ts";
import { modelOn, rowsOf, tokensOf, trimmedOn } from "./tiny_models.ts";

const SAMPLINGS = [{ temperature: 0 }, { temperature: 0.8, topP: 0.95 }];
/** Two turns of a talk and one of another that only begins like it. */
const FIRST = [3, 1, 7, 7, 12];
const turnAfter = (answer: readonly number[]) => [...FIRST, ...answer, 5, 9, 2];
const OTHER = [3, 1, 7, 20, 21, 22];

/** Cold and warm decoders of the same models, and what ends remembering. */
function decodersOf(device: Device, sampling: { readonly temperature: number }, ahead: number) {
  // Caches that need not grow: growing compiles.
  const target = { ...modelOn(device, 4), firstSlots: 48 };
  const draft = { ...trimmedOn(device, 6), firstSlots: 48 };
  const [warmTarget, warmDraft] = [rememberPrefixOnDevice(target), rememberPrefixOnDevice(draft)];
  const both = (how: { target: typeof target; draft: typeof draft }) => ({
    plain: autoregressiveOnDevice({ ...how, sampling, ahead }),
    drafted: speculativeOnDevice({ ...how, gamma: 3, sampling, ahead }),
  });
  return {
    cold: both({ target, draft }),
    warm: both({ target: warmTarget, draft: warmDraft }),
    forget: () => [warmTarget, warmDraft].forEach((model) => model.forget()),
  };
}

for (const backend of BACKENDS.filter(({ name }) => ["wasm", "webgpu"].includes(name))) {
  testOn(backend, "a talk's next turn is read on to the bits of a fresh text", async (made) => {
    const device = createDevice(made);
    const { cold, warm, forget } = decodersOf(device, SAMPLINGS[0], 1);
    const { tokens } = await tokensOf(warm.plain, FIRST, 9);
    const next = turnAfter(tokens);
    assertEquals(await rowsOf(warm.plain, next), await rowsOf(cold.plain, next));
    // Other words in the last turn: the end of the kept text is not used.
    const changed = [...next.slice(0, -4), 30, 31, 32, 33];
    assertEquals(await rowsOf(warm.plain, changed), await rowsOf(cold.plain, changed));
    forget();
    device.close();
  });
}

Deno.test("talks go on with the same tokens as fresh ones, whatever is drafted and in flight", async () => {
  const device = createDevice(wasmBackend());
  for (const sampling of SAMPLINGS) {
    for (const ahead of [0, 2]) {
      const { cold, warm, forget } = decodersOf(device, sampling, ahead);
      const talks: (readonly number[])[] = [FIRST];
      for (const count of [1, 2, 7, 12]) {
        for (const prompt of [...talks, OTHER]) {
          const wanted = await tokensOf(cold.drafted, prompt, count);
          const found = await tokensOf(warm.drafted, prompt, count);
          assertEquals(found.tokens, wanted.tokens);
          assertEquals(
            found.reports.map(({ accepted }) => accepted),
            wanted.reports.map(({ accepted }) => accepted),
          );
          assertEquals(
            (await tokensOf(warm.plain, prompt, count)).tokens,
            (await tokensOf(cold.plain, prompt, count)).tokens,
          );
          if (prompt !== OTHER && count === 7) talks.push(turnAfter(found.tokens));
        }
      }
      forget();
    }
  }
  device.close();
});

Deno.test("a warm turn reads only what is new, and what was kept can be given back", async () => {
  const device = createDevice(wasmBackend());
  const cold = { ...modelOn(device, 4), firstSlots: 48 };
  const target = rememberPrefixOnDevice(cold);
  const before = device.counters().liveSlots;
  const decoder = autoregressiveOnDevice({ target, sampling: { temperature: 0 } });
  const { tokens } = await tokensOf(decoder, FIRST, 8);
  const kept = device.counters().liveSlots;
  assert(kept > before);
  // Texts one after the other keep one sequence, not one each.
  await tokensOf(decoder, OTHER, 8);
  assertEquals(device.counters().liveSlots, kept);
  await tokensOf(decoder, FIRST, 8);
  const runs = device.counters().runs;
  // All but the last token is there: there is nothing to read.
  decoder.close(await decoder.init([...FIRST, ...tokens], keyOf(1)));
  assertEquals(device.counters().runs, runs);
  target.forget();
  target.forget();
  assertEquals(device.counters().liveSlots, before);
  device.close();
});

Deno.test("a draft whose context a text outgrew is not taken to have read it", async () => {
  const device = createDevice(wasmBackend());
  const target = rememberPrefixOnDevice(modelOn(device, 4));
  const cold = trimmedOn(device, 6, 12);
  const draft = rememberPrefixOnDevice(cold);
  const parts = { target, gamma: 3, sampling: { temperature: 1 } };
  const long = Array.from({ length: 20 }, (_, i) => (7 * i) % 40);
  for (const prompt of [long, long.slice(0, 8)]) {
    const found = await tokensOf(speculativeOnDevice({ ...parts, draft }), prompt, 4);
    const wanted = await tokensOf(speculativeOnDevice({ ...parts, draft: cold }), prompt, 4);
    const counts = ({ reports }: typeof found) => reports.map(({ accepted }) => accepted);
    assertEquals([found.tokens, counts(found)], [wanted.tokens, counts(wanted)]);
  }
  const short = long.slice(0, 8);
  await tokensOf(speculativeOnDevice({ ...parts, draft }), long, 4);
  const fresh = speculativeOnDevice({ ...parts, draft: cold });
  const warm = speculativeOnDevice({ ...parts, draft });
  assertEquals(await rowsOf(warm, short), await rowsOf(fresh, short));
  device.close();
});
