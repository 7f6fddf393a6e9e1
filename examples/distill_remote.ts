/**
 * Stage B on another machine: a server with the OpenAI interface writes the distillation set.
 *
 *     deno task distill-remote --server http://localhost:8000 --model NAME --target smollm2 \
 *       --prompts instructions.jsonl --out out/distill
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  integer,
  number,
  optionalText,
  requiredText,
  runCommand,
  text,
} from "@outrider/outrider/cli";
import { openPrompts, openSetWriter, RETRY_POLICY } from "@outrider/outrider/data";
import { openModel } from "@outrider/outrider/io";
import { remoteEntries } from "@outrider/outrider/train";
import { answerFlags, manifestOf, shortPrompts } from "./common/answers.ts";
import { findModel, targetFlags } from "./common/models.ts";
import { makeFolder, stageFlags } from "./common/recipe.ts";

const flags = {
  server: requiredText({ placeholder: "URL", help: "the server, such as http://localhost:8000" }),
  model: requiredText({ placeholder: "NAME", help: "the model by the name that the server knows" }),
  apiKeyEnv: optionalText({
    placeholder: "NAME",
    help: "the environment variable that holds the server's key",
  }),
  target: targetFlags.target,
  prompts: text({
    placeholder: "NAME|FILES",
    default: "language",
    help: "what to answer: language, or .jsonl files with instruction or messages",
  }),
  ...answerFlags,
  requests: integer({ default: 16, minimum: 1, maximum: 1024, help: "requests at work together" }),
  attempts: integer({
    default: RETRY_POLICY.attempts,
    minimum: 1,
    maximum: 100,
    help: "attempts at a request that fails in a way that passes",
  }),
  timeout: number({
    default: RETRY_POLICY.timeout / 1000,
    minimum: 0.1,
    help: "seconds to wait for an answer before the next attempt",
  }),
  ...stageFlags,
};

/** The key out of the environment. */
function keyFrom(variable: string | undefined): string | undefined {
  if (variable === undefined) return undefined;
  const key = Deno.env.get(variable);
  if (key !== undefined && key !== "") return key;
  throw new OutriderError(
    `the server's key in the environment variable ${variable}`,
    key === undefined ? "no such variable" : "an empty one",
    "set it, or leave out --api-key-env",
  );
}

await runCommand({
  name: "deno task distill-remote",
  summary: "Stage B of the recipe on another machine: a server with the OpenAI interface answers.",
  flags,
  examples: [
    "deno task distill-remote --server http://localhost:8000 --model NAME --target smollm2 --out out/distill",
  ],
}, async (options, context) => {
  const { server: url, model, temperatures, topP, seed, count, out } = options;
  const apiKey = keyFrom(options.apiKeyEnv);
  await makeFolder(out);
  const file = await openModel(await findModel(options.target, context.progress));
  const all = await openPrompts(options.prompts, { seed, count });
  const prompts = shortPrompts(all, file, options, context).map(({ messages }) => messages);
  const dtype = `${model} on a server`;
  const manifest = await manifestOf(file, options, { dtype, teacherTokens: 0 });
  const writer = await openSetWriter(out, manifest);
  const done = writer.count();
  if (done > 0) context.log(`goes on after ${done} answers\n`);
  const bar = context.progress({
    label: "distill",
    unit: "answers",
    total: Math.max(prompts.length, done),
    startedAt: done,
  });
  let [waiting, refused] = [0, 0];
  const entries = remoteEntries({
    server: { url, model, apiKey },
    tokenizer: file.tokenizer,
    prompts,
    done,
    log: `${out}/answers.jsonl`,
    temperatures,
    topP,
    maximumTokens: options.maxTokens,
    seed,
    concurrency: options.requests,
    policy: { ...RETRY_POLICY, attempts: options.attempts, timeout: 1000 * options.timeout },
    onAnswer: ({ index, refusal }) => {
      waiting++;
      if (refusal === undefined) return;
      refused++;
      context.log(`the server refuses prompt ${index}: ${refusal}\n`);
    },
    signal: context.signal,
  });
  try {
    for await (const entry of entries) {
      await writer.append(entry);
      waiting = Math.max(0, waiting - 1);
      bar.update(writer.count(), `${writer.tokens()} tokens, ${waiting} out of order`);
    }
  } finally {
    bar.finish();
    await writer.close();
    file.close();
  }
  context.print(`${out} with ${writer.count()} answers, ${writer.tokens()} tokens\n`);
  return { set: out, answers: writer.count(), tokens: writer.tokens(), refused };
});
