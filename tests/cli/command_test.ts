import { assert, assertEquals } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  choice,
  type CommandContext,
  type CommandEffects,
  type CommandMain,
  integer,
  integerOr,
  type Interruption,
  number,
  optionalText,
  type OptionsOf,
  requiredText,
  runCommand,
  text,
  texts,
  toggle,
} from "../../src/cli/mod.ts";

const flags = {
  prompt: optionalText({ help: "what to say" }),
  temperature: number({ help: "randomness", default: 0, minimum: 0, maximum: 5 }),
  maxTokens: integer({ help: "how many tokens", default: 64, minimum: 1 }),
  gamma: integerOr({ word: "auto", help: "draft length", default: 4, minimum: 1, maximum: 16 }),
  dtype: choice({ of: ["f32", "q8", "keep"], default: "keep", help: "weights" }),
  stop: texts({ help: "stop text" }),
  backend: text({ help: "where to run", default: "wasm" }),
  json: toggle({ help: "print JSON" }),
};

interface Recorded {
  out: string;
  error: string;
  code: number | undefined;
}

interface Harness {
  readonly effects: CommandEffects;
  readonly recorded: Recorded;
  readonly interrupt: (signal: Interruption) => void;
}

function harness(args: readonly string[]): Harness {
  const recorded: Recorded = { out: "", error: "", code: undefined };
  const listeners = new Set<(signal: Interruption) => void>();
  const effects: CommandEffects = {
    args,
    writeOut: (written) => void (recorded.out += written),
    writeError: (written) => void (recorded.error += written),
    errorIsTerminal: false,
    columns: 80,
    now: () => 0,
    showStacks: false,
    onInterrupt: (callback) => {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    },
    exit: (code) => void (recorded.code ??= code),
  };
  const interrupt = (signal: Interruption): void =>
    listeners.forEach((listener) => listener(signal));
  return { effects, recorded, interrupt };
}

const spec = { name: "generate", summary: "Writes text.", flags, examples: ["generate --json"] };
type Options = OptionsOf<typeof flags>;

async function run(
  args: readonly string[],
  main: CommandMain<Options> = (options) => options,
): Promise<Recorded> {
  const { effects, recorded } = harness(args);
  await runCommand<Options>(spec, main, effects);
  return recorded;
}

async function optionsFrom(args: readonly string[]): Promise<Options> {
  let seen: Options | undefined;
  const { error } = await run(args, (options) => void (seen = options));
  if (seen === undefined) throw new Error(error);
  return seen;
}

Deno.test("flags left out have their defaults", async () => {
  assertEquals(await optionsFrom([]), {
    prompt: undefined,
    temperature: 0,
    maxTokens: 64,
    gamma: 4,
    dtype: "keep",
    stop: [],
    backend: "wasm",
    json: false,
  });
});

Deno.test("values follow a space or an equals sign, in any order, and may start with a dash", async () => {
  const options = await optionsFrom([
    "--max-tokens=8",
    "--prompt",
    "- one\n- two",
    "--json",
    "--gamma",
    "auto",
    "--stop",
    "a=b",
    "--stop=--",
    "--temperature",
    "5",
  ]);
  assertEquals(options.maxTokens, 8);
  assertEquals(options.prompt, "- one\n- two");
  assertEquals(options.gamma, "auto");
  assertEquals(options.stop, ["a=b", "--"]);
  assertEquals(options.temperature, 5);
  assertEquals(options.json, true);
});

Deno.test("a repeated flag overrides itself, and an empty text is a text", async () => {
  const options = await optionsFrom(["--gamma", "2", "--gamma=3", "--prompt", ""]);
  assertEquals([options.gamma, options.prompt], [3, ""]);
});

Deno.test("a sentence that starts with two dashes is a value, a flag is not", async () => {
  assertEquals((await optionsFrom(["--prompt", "--hello there"])).prompt, "--hello there");
  const { error, code } = await run(["--prompt", "--json"]);
  assertEquals(code, 1);
  assertEquals(
    error,
    'error: expected a value after --prompt, found "--json"; write --prompt TEXT\n',
  );
});

Deno.test("a lone -- is ignored wherever it stands", async () => {
  for (const args of [["--", "--gamma", "2"], ["--gamma", "--", "2"], ["--gamma", "2", "--"]]) {
    assertEquals((await optionsFrom(args)).gamma, 2);
  }
});

Deno.test("an unknown flag exits with 2 and names the nearest flag", async () => {
  for (
    const [written, meant] of [
      ["--temprature", "--temperature"],
      ["--maxtokens=3", "--max-tokens"],
      ["--jsno", "--json"],
      ["--hlep", "--help"],
      ["-t", "--stop"],
    ]
  ) {
    const { error, out, code } = await run([written, "0.5"]);
    assertEquals(code, 2, written);
    assertEquals(out, "");
    const name = written.replace(/=.*/, "");
    if (written !== "-t") {
      assertEquals(error, `error: unknown flag ${name}; did you mean ${meant}?\n`);
    } else assert(error.startsWith("error: unknown flag -t; did you mean --"));
  }
});

Deno.test("names of an object's own methods are unknown flags too", async () => {
  for (const name of ["constructor", "__proto__", "toString", "no-json", "a.b"]) {
    assertEquals((await run([`--${name}`, "1"])).code, 2, name);
  }
});

Deno.test("bad values are one line that says what was expected, and exit with 1", async () => {
  const cases: readonly (readonly string[])[] = [
    ["--temperature"],
    ["--temperature", "warm"],
    ["--temperature", "-1"],
    ["--temperature="],
    ["--temperature", "Infinity"],
    ["--temperature", "NaN"],
    ["--max-tokens", "0"],
    ["--max-tokens", "1.5"],
    ["--max-tokens", "1e400"],
    ["--gamma", "17"],
    ["--gamma", "often"],
    ["--dtype", "f23"],
    ["--json=maybe"],
    ["stray"],
  ];
  for (const args of cases) {
    const { error, out, code } = await run(args);
    assertEquals([code, out], [1, ""], args.join(" "));
    assert(/^error: expected .+, found .+; .+\n$/.test(error), error);
    assertEquals(error.split("\n").length, 2);
  }
});

Deno.test("--help goes to stdout, names every flag and its default, and exits with 0", async () => {
  for (const args of [["--help"], ["-h"], ["--gamma", "2", "--help"]]) {
    const { out, error, code } = await run(args, () => {
      throw new Error("main must not run");
    });
    assertEquals([code, error], [0, ""]);
    const names = [
      "prompt",
      "temperature",
      "max-tokens",
      "gamma",
      "dtype",
      "stop",
      "backend",
      "json",
    ];
    for (const name of names) assert(out.includes(`--${name}`), name);
    assert(out.includes("(default 64)") && out.includes("(default keep)"), out);
    assert(out.includes("generate --json"));
  }
});

Deno.test("a required flag that is missing is named", async () => {
  const { effects, recorded } = harness([]);
  const required = { out: requiredText({ help: "folder", placeholder: "DIR" }) };
  await runCommand({ name: "pretrain", summary: "Trains.", flags: required }, () => {}, effects);
  assertEquals(recorded.code, 1);
  assertEquals(recorded.error, "error: expected --out DIR, found no such flag; add --out DIR\n");
});

Deno.test("with --json stdout is one JSON object and everything else is on stderr", async () => {
  const main = (_: Options, { print, log, progress }: CommandContext): object => {
    print("for a person\n");
    log("a remark\n");
    progress({ label: "load", unit: "files", total: 1 }).finish();
    return { tokens: Int32Array.of(1, 2), text: "a\nb" };
  };
  const json = await run(["--json"], main);
  assertEquals(json.out, '{"tokens":[1,2],"text":"a\\nb"}\n');
  assert(json.error.includes("for a person") && json.error.includes("a remark"));
  const plain = await run([], main);
  assertEquals(plain.out, "for a person\n");
});

Deno.test("whatever main throws becomes one line and a code, never a stack trace", async () => {
  const cases: readonly (readonly [unknown, number, RegExp])[] = [
    [new OutriderError("a", "b", "c"), 1, /^error: expected a, found b; c\n$/],
    [new Deno.errors.NotFound("open 'x'"), 1, /^error: expected a file .*open 'x'.*\n$/],
    [new Deno.errors.PermissionDenied("open 'y'"), 1, /^error: expected permission.*'y'.*\n$/],
    [new Deno.errors.BrokenPipe("gone"), 141, /^$/],
    [new DOMException("stop", "AbortError"), 130, /^error: interrupted\n$/],
    [new TypeError("a\n  at line 1\n  at line 2"), 1, /^error: unexpected TypeError: [^\n]*\n$/],
    ["just text", 1, /^error: unexpected: just text\n$/],
    [undefined, 1, /^error: unexpected: undefined\n$/],
  ];
  for (const [thrown, code, pattern] of cases) {
    const recorded = await run([], () => Promise.reject(thrown));
    assertEquals(recorded.code, code);
    assert(pattern.test(recorded.error), recorded.error);
  }
});

for (const [given, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${given} aborts the signal, and the command ends with ${code} after cleaning up`, async () => {
    const { effects, recorded, interrupt } = harness([]);
    let cleaned = false;
    await runCommand(spec, async (_, { signal }) => {
      interrupt(given);
      await Promise.resolve();
      cleaned = signal.aborted;
    }, effects);
    assert(cleaned);
    assertEquals(recorded.code, code);
  });

  Deno.test(`a second ${given} exits at once, and afterwards nothing listens any more`, async () => {
    const { effects, recorded, interrupt } = harness([]);
    const codes: (number | undefined)[] = [];
    await runCommand(spec, () => {
      interrupt("SIGINT");
      codes.push(recorded.code);
      interrupt(given);
      codes.push(recorded.code);
    }, effects);
    assertEquals(codes, [undefined, code]);
    const before = recorded.error;
    interrupt(given);
    assertEquals(recorded.error, before);
  });
}

Deno.test("a reader that goes away ends the command quietly", async () => {
  const { effects, recorded } = harness(["--json"]);
  const broken = (): void => {
    throw new Deno.errors.BrokenPipe("gone");
  };
  await runCommand(spec, () => ({}), { ...effects, writeOut: broken, writeError: broken });
  assertEquals(recorded.code, 141);
});
