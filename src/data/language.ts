/**
 * The project's own small language of instructions and answers.
 *
 * Every conversation is a pure function of a key. Prompts are split by what they combine (operands,
 * words, a hero and an object): one combination in ten never occurs in training, so that a model's
 * answers to held-out prompts show what it has learnt and not what it has stored.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key, keyOf, uniform } from "../core/random.ts";
import { CALENDAR_KINDS } from "./language_calendar.ts";
import { chance, type Exchange, integerBetween, type Kind, pick } from "./language_draw.ts";
import { description, FACT_KINDS } from "./language_facts.ts";
import { LIST_KINDS } from "./language_lists.ts";
import { NUMBER_KINDS } from "./language_numbers.ts";
import { story, STORY_KINDS, wantsStory } from "./language_stories.ts";
import { TALK_KINDS } from "./language_talk.ts";
import { ANIMALS } from "./language_words.ts";

/** One message of a conversation. */
export interface Message {
  /** Who speaks. */
  readonly role: "system" | "user" | "assistant";
  /** What is said. */
  readonly content: string;
}

/** A conversation and the kind of its (first) question. */
export interface Conversation {
  /** One of {@link LANGUAGE_KINDS}. */
  readonly kind: string;
  /** User and assistant in turns, the user first. */
  readonly messages: readonly Message[];
}

/** Which part of the language a conversation is drawn from. */
export type Split = "training" | "heldOut";

/** A prompt that training never showed, with the answer the language itself gives. */
export interface HeldOutPrompt {
  /** One of {@link LANGUAGE_KINDS}. */
  readonly kind: string;
  /** What the user writes. */
  readonly prompt: string;
  /** One right answer (stories and lists have many others). */
  readonly answer: string;
}

const KINDS: readonly Kind[] = [
  ...NUMBER_KINDS,
  ...LIST_KINDS,
  ...CALENDAR_KINDS,
  ...FACT_KINDS,
  ...TALK_KINDS,
  ...STORY_KINDS,
];

const TOTAL_WEIGHT = KINDS.reduce((total, { weight }) => total + weight, 0);

/** The key that decides which combinations are held out; changing it invalidates trained models. */
const SPLIT_KEY = keyOf(20_260_401);

/** One combination in this many is held out. */
const HELD_OUT_ONE_IN = 10;

/** More different held-out prompts than this are not worth searching for. */
const MAXIMUM_HELD_OUT = 20_000;

/** Characters of a conversation of several topics; about 250 tokens of a 512-token vocabulary. */
const MAXIMUM_CHARACTERS = 400;

/** How many draws may fail to fall into the wanted split before a kind is given up. */
const MAXIMUM_ATTEMPTS = 400;

/** The names of all kinds of conversation. */
export const LANGUAGE_KINDS: readonly string[] = KINDS.map(({ name }) => name);

/** Whether a combination belongs to the held-out tenth. */
function isHeldOut(combination: string | null): boolean {
  if (combination === null) return false;
  return foldIn(SPLIT_KEY, combination)[0] % HELD_OUT_ONE_IN === 0;
}

function belongsTo(split: Split, exchanges: readonly Exchange[]): boolean {
  return split === "heldOut"
    ? isHeldOut(exchanges[0].combination)
    : exchanges.every(({ combination }) => !isHeldOut(combination));
}

/** The first draw of a kind that falls into the split, or undefined where none does. */
function drawExchanges(kind: Kind, key: Key, split: Split): readonly Exchange[] | undefined {
  for (let attempt = 0; attempt < MAXIMUM_ATTEMPTS; attempt++) {
    const exchanges = kind.exchanges(foldIn(key, attempt));
    if (belongsTo(split, exchanges)) return exchanges;
  }
  return undefined;
}

function drawKind(key: Key): Kind {
  let rest = uniform(foldIn(key, "kind")) * TOTAL_WEIGHT;
  return KINDS.find(({ weight }) => (rest -= weight) < 0) ?? KINDS[0];
}

function drawTurns(key: Key, split: Split): { kind: string; exchanges: readonly Exchange[] } {
  for (let attempt = 0;; attempt++) {
    const attemptKey = foldIn(foldIn(key, "turns"), attempt);
    const kind = drawKind(attemptKey);
    const exchanges = drawExchanges(kind, attemptKey, split);
    if (exchanges !== undefined) return { kind: kind.name, exchanges };
  }
}

/** Later turns are dropped where the conversation would outgrow a small context. */
function limitFor(turn: number): number {
  return turn === 0 ? Infinity : MAXIMUM_CHARACTERS;
}

function charactersIn(drawn: readonly { readonly exchanges: readonly Exchange[] }[]): number {
  const texts = drawn.flatMap(({ exchanges }) => exchanges);
  return texts.reduce((total, { prompt, answer }) => total + prompt.length + answer.length, 0);
}

/** The prompt as a hurried person types it: small first letter, no full stop or question mark. */
function hurried(prompt: string): string {
  return prompt.charAt(0).toLowerCase() + prompt.slice(1).replace(/[.?!]$/, "");
}

/**
 * One conversation; the same key always gives the same one.
 *
 * @example
 * ```ts
 * import { conversation } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { messages } = conversation([0, 7]);
 * assertEquals(messages[0].role, "user");
 * assertEquals(messages[1].role, "assistant");
 * ```
 *
 * @param key what to draw from
 * @param split `"training"` never shows a held-out combination; `"heldOut"` starts with one
 */
export function conversation(key: Key, split: Split = "training"): Conversation {
  const turns = chance(key, "several", 0.15) ? integerBetween(key, "count", 2, 3) : 1;
  const drawn = Array.from({ length: turns }, (_, turn) => drawTurns(foldIn(key, turn), split));
  const kept = drawn.filter((_, turn) => charactersIn(drawn.slice(0, turn + 1)) <= limitFor(turn));
  const messages = kept.flatMap(({ exchanges }) => exchanges).flatMap(
    ({ prompt, answer }, index): Message[] => [
      {
        role: "user",
        content: chance(foldIn(key, index), "hurried", 0.08) ? hurried(prompt) : prompt,
      },
      { role: "assistant", content: answer },
    ],
  );
  return { kind: drawn[0].kind, messages };
}

/**
 * Training conversations without end; conversation `i` depends on the seed and `i` only.
 *
 * @example
 * ```ts
 * import { trainingConversations } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const [first] = trainingConversations(1).take(1);
 * assertEquals([...trainingConversations(1).take(1)], [first]);
 * ```
 */
export function* trainingConversations(seed: number): Generator<Conversation, never, unknown> {
  for (let index = 0;; index++) yield conversation(foldIn(keyOf(seed), index));
}

/**
 * `count` different held-out prompts, taken from all kinds in turn.
 *
 * @example
 * ```ts
 * import { heldOutPrompts } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new Set(heldOutPrompts(1, 20).map(({ prompt }) => prompt)).size, 20);
 * ```
 *
 * @throws OutriderError where `count` is above 20,000
 */
export function heldOutPrompts(seed: number, count: number): HeldOutPrompt[] {
  if (!(count <= MAXIMUM_HELD_OUT)) {
    throw new OutriderError(
      `at most ${MAXIMUM_HELD_OUT} held-out prompts`,
      `${count}`,
      "ask for fewer of them",
    );
  }
  const found = new Map<string, HeldOutPrompt>();
  const key = foldIn(keyOf(seed), "held out");
  for (let draw = 0; found.size < count; draw++) {
    const kind = KINDS[draw % KINDS.length];
    const first = drawExchanges(kind, foldIn(key, draw), "heldOut")?.[0];
    if (first === undefined || found.has(first.prompt)) continue;
    found.set(first.prompt, { kind: kind.name, prompt: first.prompt, answer: first.answer });
  }
  return [...found.values()];
}

/**
 * One plain-text document for pretraining: a story, or a few facts about animals.
 *
 * @example
 * ```ts
 * import { document } from "@outrider/outrider/data";
 * import { assert } from "@std/assert";
 *
 * assert(document([0, 3]).length > 100);
 * ```
 */
export function document(key: Key): string {
  if (wantsStory(key)) return drawTrainingStory(key);
  return [0, 1].map((index) => description(pick(foldIn(key, index), "animal", ANIMALS))).join("\n");
}

/** A story whose hero and object may be seen in training. */
function drawTrainingStory(key: Key): string {
  for (let attempt = 0;; attempt++) {
    const told = story(foldIn(key, attempt));
    if (!isHeldOut(`story/${told.hero}/${told.object}`)) return told.text;
  }
}
