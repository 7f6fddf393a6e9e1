/**
 * Writes a text with several drafts for each token and shows how often one of them stands: by every
 * rule of verification, and at best.
 *
 *     deno task multi-draft --target embedded --prompt "What is 45 plus 21?" --drafts 3
 *
 * @module
 */
import { foldIn, type Key, keyOf, OutriderError, uniform } from "@outrider/outrider";
import { formatTable, integer, number, runCommand, text, toggle } from "@outrider/outrider/cli";
import {
  distinctRecursiveAcceptance,
  type Draft,
  draftModel,
  drawDrafts,
  greedyDrafts,
  greedyOptimal,
  kSequentialAcceptance,
  type LanguageModel,
  optimalAcceptance,
  probabilities,
  type Probs,
  recursiveAcceptance,
  temperature,
  type TokenId,
  verifyDrafts,
  withoutReplacement,
  withReplacement,
} from "@outrider/outrider/decode";
import { deviceFlags, openDevice } from "./common/device.ts";
import { openDraft } from "./common/evaluation_drafts.ts";
import { loadModel, targetFlags } from "./common/models.ts";
import { encodePrompt, promptFlags, promptOf } from "./common/prompts.ts";

const flags = {
  ...targetFlags,
  target: text({ placeholder: "MODEL", default: "embedded", help: "the target" }),
  draft: text({
    placeholder: "DRAFT|auto|self[:LAYERS]",
    default: "self",
    help: "what drafts: a draft's path, auto, or the target's own first layers",
  }),
  drafts: integer({ default: 3, minimum: 1, maximum: 8, help: "drafts for each token" }),
  temperature: number({ default: 1, minimum: 0, help: "randomness; 0 is greedy" }),
  maxTokens: integer({ default: 48, minimum: 1, help: "most tokens to write" }),
  ...promptFlags,
  seed: integer({ default: 1, help: "decides what is drawn" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

/** Rows of coins for the rule whose acceptance has no closed form. */
const SAMPLES = 64;

/** A coin for a purpose, by two numbers. */
const coin = (key: Key, i: number, j: number): number => uniform(foldIn(foldIn(key, i), j));

/** How the drafts are drawn, how they are judged, and how often one of them stands. */
interface Acceptance {
  readonly drafts: string;
  readonly rule: string;
  readonly acceptance: number;
}

/** The acceptance of every rule at one place. */
function acceptances(q: Probs, p: Probs, count: number, key: Key): Acceptance[] {
  const independent = withReplacement(p, count);
  const distinct = withoutReplacement(p, count);
  const greedy = greedyDrafts(p, count);
  const coins = Array.from(
    { length: SAMPLES },
    (_, i) => Array.from({ length: count - 1 }, (_, j) => coin(key, i, j)),
  );
  const row = (drafts: string, rule: string, acceptance: number): Acceptance => ({
    drafts,
    rule,
    acceptance,
  });
  return [
    row("independent", "recursive rejection", recursiveAcceptance(q, independent)),
    row("independent", "K-SEQ", kSequentialAcceptance(q, independent)),
    row("independent", "bound", optimalAcceptance(q, independent)),
    row("distinct", "recursive rejection", distinctRecursiveAcceptance(q, distinct, coins)),
    row("distinct", "bound", optimalAcceptance(q, distinct)),
    row("greedy", "recursive rejection", recursiveAcceptance(q, greedy)),
    row("greedy", "optimal rule", optimalAcceptance(q, greedy)),
  ];
}

interface Written {
  readonly tokens: readonly TokenId[];
  /** How many of them were drafts. */
  readonly drafted: number;
  /** By token, the acceptance of every rule. */
  readonly places: readonly (readonly Acceptance[])[];
}

interface Writing<Cache, State> {
  readonly target: LanguageModel<Cache>;
  readonly draft: Draft<State>;
  readonly count: number;
  readonly heat: number;
  readonly maxTokens: number;
  readonly endOfTurn: ReadonlySet<TokenId>;
  readonly key: Key;
  readonly signal: AbortSignal;
}

/** Writes the target's text: greedy drafts for every token, judged by their optimal rule. */
async function write<Cache, State>(
  prompt: readonly TokenId[],
  { target, draft, count, heat, maxTokens, endOfTurn, key, signal }: Writing<Cache, State>,
): Promise<Written> {
  const warp = temperature(heat);
  const { vocabulary } = target;
  const context = [...prompt];
  const places: Acceptance[][] = [];
  let drafted = 0;
  let cache = target.open();
  let state: State = await draft.init(prompt);
  while (places.length < maxTokens && context.length < target.contextLength) {
    signal.throwIfAborted();
    const passed = await target.forward(cache, context.slice(target.lengthOf(cache)), 1);
    cache = passed.cache;
    const q = probabilities(warp, passed.logits[0], context);
    const asked = { context, gamma: 1, vocabulary, warp, coin: () => 0 };
    const proposal = await draft.propose(state, asked);
    state = draft.commit(proposal.state, context.length);
    if (proposal.probs.length === 0) break;
    const p = proposal.probs[0];
    const here = foldIn(key, context.length);
    places.push(acceptances(q, p, count, foldIn(here, "rejected")));
    const law = greedyDrafts(p, count);
    const coins = Array.from({ length: law.count }, (_, i) => coin(here, 0, i));
    const round = { target: q, law, tokens: drawDrafts(law, coins) };
    const verdict = verifyDrafts(greedyOptimal, round, {
      accept: coin(here, 1, 0),
      sample: coin(here, 1, 1),
    });
    if (verdict.accepted !== undefined) drafted++;
    context.push(verdict.token);
    if (endOfTurn.has(verdict.token)) break;
  }
  target.close(cache);
  draft.close(state);
  return { tokens: context.slice(prompt.length), drafted, places };
}

/** Means over places, in the order of the rules. */
function meansOf(places: Written["places"]): Acceptance[] {
  const [first = []] = places;
  return first.map((row, i) => ({
    ...row,
    acceptance: places.reduce((sum, place) => sum + place[i].acceptance, 0) / places.length,
  }));
}

await runCommand({
  name: "deno task multi-draft",
  summary:
    "Writes a text with several drafts for each token and shows the acceptance of every rule.",
  flags,
  examples: [
    'deno task multi-draft --target embedded --prompt "What is 45 plus 21?"',
    'deno task multi-draft --target smollm2 --draft auto --prompt "Why is the sky blue?" --drafts 4',
  ],
}, async (options, context) => {
  const prompt = await promptOf(options);
  const { device } = await openDevice(options);
  const target = await loadModel(device, options.target, options, context);
  const { dtype } = options;
  const spec = { name: "draft", model: options.draft };
  const { loaded } = await openDraft(spec, { device, dtype, target, context });
  if (loaded.kind !== "model") {
    throw new OutriderError("a draft with distributions", options.draft, "name a draft, or self");
  }
  const { tokenizer } = target.file;
  const ids = encodePrompt(target, prompt, options);
  const most = target.model.contextLength - 1;
  if (ids.length === 0 || ids.length > most) {
    throw new OutriderError(
      `a prompt of 1 to ${most} tokens`,
      `${ids.length}`,
      "change the prompt",
    );
  }
  const written = await write(ids, {
    target: target.model,
    draft: draftModel(loaded.model, { vocabulary: loaded.vocabulary }),
    count: options.drafts,
    heat: options.temperature,
    maxTokens: options.maxTokens,
    endOfTurn: tokenizer.endOfTurn,
    key: keyOf(options.seed),
    signal: context.signal,
  });
  device.close();
  const { tokens, drafted } = written;
  const answer = tokenizer.decode(tokens);
  const rules = meansOf(written.places);
  context.print(`${answer}\n\n`);
  context.print(`${drafted} of ${tokens.length} tokens were one of ${options.drafts} drafts\n\n`);
  const rows = rules.map((row) => [row.drafts, row.rule, row.acceptance.toFixed(4)]);
  context.print(formatTable(["drafts", "rule", "acceptance"], rows));
  return { text: answer, tokens: tokens.length, drafted, rules };
});
