import { assertEquals } from "@std/assert";
import { engineVectors } from "../../src/backends/wasm/engine_vectors.ts";

Deno.test("vectors are joined where the engine was started with both flags, in any form", () => {
  const both = ["--no-wasm-bounds-checks", "--experimental-wasm-revectorize"];
  for (const separator of [",", " ", ", "]) {
    assertEquals(engineVectors(both.join(separator)), "joined");
    assertEquals(
      engineVectors(["--stack-size=900", ...both.toReversed()].join(separator)),
      "joined",
    );
  }
  for (const flags of ["", both[0], both[1], "--no-wasm-bounds-checks-of-mine"]) {
    assertEquals(engineVectors(flags), "apart");
  }
});
