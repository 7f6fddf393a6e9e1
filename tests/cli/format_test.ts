import { assert, assertEquals } from "@std/assert";
import {
  editDistance,
  formatBytes,
  formatDuration,
  formatNumber,
  formatTable,
  nearest,
  progressLine,
  startProgress,
} from "../../src/cli/mod.ts";

Deno.test("bytes have a binary unit", () => {
  assertEquals([0, 1023, 1024, 1536, 2 ** 30, 2 ** 50].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "1.0 GiB",
    "1024.0 TiB",
  ]);
});

Deno.test("durations never show 60 seconds or 60 minutes", () => {
  assertEquals(
    [0, 0.0124, 0.9996, 1, 59.96, 60, 119.7, 3599.6, 3600, 7260, Infinity, NaN].map(formatDuration),
    [
      "0 ms",
      "12 ms",
      "1.0 s",
      "1.0 s",
      "1 min 00 s",
      "1 min 00 s",
      "2 min 00 s",
      "1 h 00 min",
      "1 h 00 min",
      "2 h 01 min",
      "?",
      "?",
    ],
  );
  for (let seconds = 0; seconds < 8000; seconds += 0.37) {
    assert(!/\b60/.test(formatDuration(seconds)), String(seconds));
  }
});

Deno.test("numbers keep about three digits", () => {
  assertEquals(
    [0, 7, 1e6, 123.4, -12.34, 1.234, 0.01234, 0.0000123, NaN].map(formatNumber),
    ["0", "7", "1000000", "123", "-12.3", "1.23", "0.012", "1.2e-5", "NaN"],
  );
});

Deno.test("every line of a table is equally wide up to trailing spaces, numbers to the right", () => {
  const table = formatTable(["drafter", "tau", "texts"], [
    ["base", 1.5, "equal"],
    ["finetuned (tvd++)", "2.312", "equal"],
    ["none", "-"],
  ]);
  assertEquals(
    table,
    [
      "drafter              tau  texts",
      "-----------------  -----  -----",
      "base                1.50  equal",
      "finetuned (tvd++)  2.312  equal",
      "none                   -",
      "",
    ].join("\n"),
  );
});

Deno.test("the edit distance is a metric on small words", () => {
  const words = ["", "a", "b", "ab", "ba", "abc", "bca", "temperature", "temprature"];
  for (const a of words) {
    assertEquals(editDistance(a, a), 0);
    for (const b of words) {
      assertEquals(editDistance(a, b), editDistance(b, a));
      for (const c of words) {
        assert(editDistance(a, c) <= editDistance(a, b) + editDistance(b, c));
      }
    }
  }
  assertEquals(editDistance("kitten", "sitting"), 3);
  assertEquals(nearest("x".repeat(1_000_000), ["--seed", "--out"]), "--seed");
});

Deno.test("a progress line shows the share, rate and time to go, and copes with nothing done", () => {
  const state = { label: "load", unit: "MB", seconds: 2, startedAt: 0, note: "loss 1.20" };
  const half = progressLine({ ...state, done: 5, total: 10 });
  assert(half.includes(" 50%") && half.includes("2.50 MB/s") && half.includes("2.0 s left"), half);
  assert(half.endsWith("loss 1.20"));
  const none = progressLine({ ...state, seconds: 0, done: 0, total: 10 });
  assert(none.includes("  0%") && !/NaN|Infinity/.test(none), none);
  const endless = progressLine({ ...state, done: 5, total: undefined });
  assert(endless.startsWith("load  5 MB  2.50 MB/s"), endless);
  const resumed = progressLine({ ...state, startedAt: 4, done: 6, total: 10 });
  assert(resumed.includes("1 MB/s"), resumed);
});

interface Screen {
  readonly written: string[];
  readonly advance: (milliseconds: number) => void;
  readonly effects: Parameters<typeof startProgress>[0];
}

function screen(errorIsTerminal: boolean): Screen {
  const written: string[] = [];
  let time = 0;
  return {
    written,
    advance: (milliseconds) => void (time += milliseconds),
    effects: {
      errorIsTerminal,
      columns: 60,
      now: () => time,
      writeError: (text) => void written.push(text),
    },
  };
}

Deno.test("on a terminal the bar is drawn over itself, not too often, never past the edge", () => {
  const { written, advance, effects } = screen(true);
  const progress = startProgress(effects, { label: "train", unit: "steps", total: 1000 });
  for (let step = 1; step <= 1000; step++) {
    advance(10);
    progress.update(step, "a note that is much too long for a terminal of this width");
  }
  progress.finish();
  assert(written.length > 50 && written.length < 110, String(written.length));
  for (const text of written.slice(0, -1)) {
    assert(text.startsWith("\r") && !text.includes("\n"));
    assert(text.replace("\r", "").replace("\x1b[K", "").length < 60);
  }
  assertEquals(written[written.length - 1], "\n");
});

Deno.test("without a terminal there are few plain lines, the last of them complete", () => {
  const { written, advance, effects } = screen(false);
  const progress = startProgress(effects, { label: "train", unit: "steps", total: 1000 });
  for (let step = 1; step <= 1000; step++) {
    advance(10);
    progress.update(step);
  }
  progress.finish();
  assertEquals(written.length, 4);
  for (const text of written) {
    assert(text.startsWith("train ") && text.endsWith("\n"), text);
    assert(!text.includes("\r") && !text.includes("\x1b"), text);
  }
  assert(written[3].includes("100%"));
});
