/** The help of every command names every flag that was agreed on, each with an explanation. */
import { assert, assertEquals } from "@std/assert";
import { inPairs, runCommand } from "./run_command.ts";

const DEVICE = ["backend", "threads", "json", "help"];
const DECODING = [
  "draft",
  "gamma",
  "verify",
  "max-tokens",
  "temperature",
  "top-k",
  "top-p",
  "min-p",
]
  .concat("repetition-penalty", "stop", "seed");
const TRAINING = [
  "data",
  "token-cache",
  "validation",
  "evaluate-every",
  "steps",
  "rows",
  "rate",
  "schedule",
]
  .concat("save-every", "save-memory", "resume", "start-over", "out", "seed");

const FLAGS: Readonly<Record<string, readonly string[]>> = {
  align: [
    "target",
    "dtype",
    "instructions",
    "text",
    "answers",
    "max-tokens",
    "keep-tokens",
    "layers",
  ]
    .concat("pretrain-steps", "finetune-steps", "rows", "loss", "tasks", "seed", "threads", "out")
    .concat("json", "help"),
  generate: [
    "target",
    "dtype",
    "cache",
    "prompt",
    "prompt-file",
    "system",
    "raw",
    ...DECODING,
    ...DEVICE,
  ],
  logits: ["target", "dtype", "cache", "prompt", "prompt-file", "system", "raw", "top", ...DEVICE],
  multi_draft: ["target", "dtype", "draft", "drafts", "temperature", "max-tokens", "prompt"]
    .concat("prompt-file", "system", "raw", "seed", DEVICE),
  pearl: ["target", "dtype", "draft", "gamma", "prompt", "prompt-file", "system", "raw"]
    .concat("temperature", "max-tokens", "seed", "threads", "json", "help"),
  tree: ["target", "dtype", "draft", "budgets", "gamma", "depth", "width", "temperatures", "tasks"]
    .concat("count", "max-tokens", "seed", DEVICE),
  chat: ["target", "dtype", "cache", "system", "prompt", ...DECODING, ...DEVICE],
  pretrain: [
    "target",
    "layers",
    "width",
    "share",
    "keep-tokens",
    "count-in",
    "begin",
    ...TRAINING,
    ...DEVICE,
  ],
  distill: ["target", "dtype", "cache", "prompts", "count", "temperatures", "top-p", "max-tokens"]
    .concat("max-prompt", "sequences", "teacher-tokens", "taps", "out", "seed", ...DEVICE),
  distill_remote: ["server", "model", "api-key-env", "target", "prompts", "count", "temperatures"]
    .concat("top-p", "max-tokens", "max-prompt", "requests", "attempts", "timeout", "out", "seed")
    .concat("json", "help"),
  page: ["out", "serve", "port", "json", "help"],
  fetch_text: ["out", "source", "target", "json", "help"],
  finetune: ["target", "dtype", "draft", "set", "teacher", "loss", "loss-temperature", "mix"]
    .concat("gamma", "record-tokens", "record-prompts", "refresh-every", TRAINING, DEVICE),
  features: ["target", "dtype", "set", "taps", "most-rows", ...DEVICE],
  ctc_draft: ["target", "set", "validation", "draft-vocabulary", "keep-tokens", "taps", "places"]
    .concat(
      "labels",
      "labels-of",
      "begin",
      "loss",
      "layers",
      "context-width",
      "feed-forward",
      "heads",
    )
    .concat("key-value-heads", "feature-dropout", "feature-noise", "weight-decay", "anchors")
    .concat("steps", "rows", "rate", "schedule", "save-every", "resume", "start-over")
    .concat("evaluate-every", "out", "seed", DEVICE),
  block_draft: ["target", "set", "validation", "draft-vocabulary", "keep-tokens", "block", "layers"]
    .concat("context-width", "feed-forward", "heads", "key-value-heads", "loss")
    .concat("loss-temperature", "place-decay", "feature-dropout", "feature-noise", "weight-decay")
    .concat("anchors", "steps", "rows", "rate", "schedule")
    .concat("save-every", "resume", "start-over", "evaluate-every", "out", "seed", DEVICE),
  teach: ["target", "dtype", "cache", "set", "teacher-tokens", "out", ...DEVICE],
  export: ["target", "draft", "format", "weights", "outside", "out", ...DEVICE],
  evaluate: ["target", "dtype", "cache", "draft", "systems", "tasks", "out-of-distribution"]
    .concat("count")
    .concat("gamma", "decoding", "verify", "max-tokens", "top-k", "min-p", "repetition-penalty")
    .concat("seed", "out", DEVICE),
};

Deno.test("--help of every command exits with 0 and explains every flag", () =>
  inPairs(Object.entries(FLAGS), async ([name, flags]) => {
    const { code, stdout, stderr } = await runCommand(name, ["--help"]);
    assertEquals([code, stderr], [0, ""]);
    const task = name.replaceAll("_", "-");
    assert(stdout.startsWith(`Usage: deno task ${task} [flags]\n`), stdout);
    const entries = stdout.matchAll(/^ {2}--([a-z-]+)(?: \S+)?(?: {2,}|\n {20,})(\S.+)$/gm);
    const explained = Array.from(entries, ([, flag]) => flag);
    assertEquals(explained.toSorted(), flags.toSorted(), name);
    assert(stdout.includes(`Examples:\n  deno task ${task} `), "there is an example");
    const wide = stdout.split("\n").filter((line) => line.length > 160);
    assertEquals(wide, [], "no line is too wide to read");
  }));
