/** Tasks start V8 so that it joins vectors; whoever does not gets the same bits, only later. */
import { assert, assertEquals } from "@std/assert";
import { vectorFlags } from "../../examples/common/vector_flags.ts";
import { engineVectors } from "../../src/backends/wasm/engine_vectors.ts";
import { inPairs, runCommand } from "./run_command.ts";

const TESTED = { system: "linux", processor: "x86_64", v8: "15.0.245.2-rusty" };
const HERE = { system: Deno.build.os, processor: Deno.build.arch, v8: Deno.version.v8 };

Deno.test("tasks join vectors where that was tested, and nowhere else", () => {
  assertEquals(engineVectors(vectorFlags(TESTED, undefined)), "joined");
  assertEquals(engineVectors(vectorFlags(TESTED, " ")), "joined");
  const others = [{ system: "darwin" }, { processor: "aarch64" }, { v8: "16.1.2" }];
  for (const other of others) {
    assertEquals(engineVectors(vectorFlags({ ...TESTED, ...other }, undefined)), "apart");
  }
});

Deno.test("flags that the user has chosen stand", () => {
  assertEquals(vectorFlags(TESTED, "--stack-size=4096"), "--stack-size=4096");
});

Deno.test("every task that computes starts V8 with these flags", async () => {
  const { tasks } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  const flagged = Object.entries<string>(tasks).filter(([, line]) => line.includes("vector_flags"));
  const plain = Object.keys(tasks).filter((name) => !flagged.some(([other]) => other === name));
  assertEquals(plain, ["distill-remote", "fetch-text", "ok", "page", "test"]);
  const [[, line]] = flagged;
  for (const [name, other] of flagged) {
    assert(other.startsWith(line.slice(0, line.lastIndexOf(" deno "))), name);
  }
});

const canJoin = engineVectors(vectorFlags(HERE, undefined)) === "joined";
Deno.test({
  name: `joined vectors change no bit of what a command computes${
    canJoin ? "" : " (skipped: not tested with this V8)"
  }`,
  ignore: !canJoin,
  fn: async () => {
    const prompt = "Tell me a story about a fox, a lighthouse and the sea.";
    const cases = ["f32", "f16", "q8", "q4", "keep"].flatMap((dtype) =>
      ["1", "2"].map((threads) => ["--dtype", dtype, "--threads", threads])
    );
    await inPairs(cases, async (how) => {
      const args = ["--target", "embedded", "--prompt", prompt, "--json", ...how];
      // What a pass over all rows, and one row after another, compute.
      for (const [name, more] of [["logits", ["--top", "200"]], ["generate", TEXT]] as const) {
        const joinedFlags = `${vectorFlags(HERE, undefined)},--no-liftoff`;
        const texts = [joinedFlags, "--stack-size=1024"].map((flags) =>
          runCommand(name, [...args, ...more], "", { DENO_V8_FLAGS: flags })
        );
        const [joined, apart] = await Promise.all(texts);
        assertEquals([joined.code, apart.code], [0, 0], joined.stderr + apart.stderr);
        assertEquals(withoutTimes(joined.stdout), withoutTimes(apart.stdout), how.join(" "));
      }
    });
  },
});

const TEXT = ["--draft", "auto", "--gamma", "3", "--max-tokens", "40"];

/** A report without what the clock says. */
function withoutTimes(report: string): unknown {
  const { text, tokens, steps, prompt, top } = JSON.parse(report);
  return { text, tokens, steps, prompt, top };
}
