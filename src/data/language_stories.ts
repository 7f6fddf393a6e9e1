/**
 * Short stories and poems: a grammar whose characters, objects and places stay the same to the end.
 *
 * @module
 */
import type { Key } from "../core/random.ts";
import {
  capitalised,
  chance,
  type Exchange,
  fill,
  integerBetween,
  type Kind,
  phrase,
  pick,
  pickSeveral,
  singleTurn,
} from "./language_draw.ts";
import * as parts from "./language_story_parts.ts";
import { CHARACTERS, COLOURS } from "./language_words.ts";

/** A finished story, with what a listener may ask about it. */
export interface Story {
  /** The whole text, one paragraph. */
  readonly text: string;
  /** The hero's animal. */
  readonly hero: string;
  /** The object's name. */
  readonly object: string;
  /** The hero's name. */
  readonly heroName: string;
  /** Questions about the story, with their answers. */
  readonly questions: readonly (readonly [string, string])[];
}

/** Everything that a story's sentences can mention. */
function cast(key: Key, heroName: string | undefined): Record<string, string> {
  const [hero, friend] = pickSeveral(key, "animals", parts.STORY_ANIMALS, 2);
  const names = pickSeveral(key, "names", CHARACTERS, 3);
  const first = CHARACTERS.find(({ name }) => name === heroName) ?? names[0];
  const second = names.find(({ name }) => name !== first.name) ?? names[1];
  const thing = pick(key, "object", parts.STORY_OBJECTS);
  const places = pickSeveral(key, "search", parts.SEARCH_PLACES, 3);
  return {
    hero,
    friend,
    Hero: first.name,
    he: first.he,
    He: capitalised(first.he),
    him: first.him,
    his: first.his,
    His: capitalised(first.his),
    Friend: second.name,
    she: second.he,
    her: second.him,
    object: thing.name,
    charm: thing.charm,
    colour: pick(key, "colour", COLOURS.filter((name) => name !== "orange")),
    manner: pick(key, "manner", parts.MANNERS),
    friendManner: pick(key, "friend manner", parts.FRIEND_MANNERS),
    home: pick(key, "home", parts.HOMES),
    place: pick(key, "place", parts.FINDING_PLACES),
    time: pick(key, "time", parts.TIMES),
    first: places[0],
    second: places[1],
    third: places[2],
  };
}

function rescuePlot(key: Key, values: Record<string, string>): string[] {
  const thing = parts.STORY_OBJECTS.find(({ name }) => name === values.object);
  return [
    fill("{His} best friend was {Friend}, a(n) {friendManner} {friend}.", values),
    fill(`{time}, ${thing?.trouble ?? ""}`, values),
    fill(thing?.rescue ?? "", values),
    phrase(key, "ending", parts.RESCUE_ENDINGS, values),
  ];
}

function lostPlot(key: Key, values: Record<string, string>): string[] {
  return [
    fill("{time}, the {object} was gone. {Hero} looked {first} and {second}, ", values) +
    fill("but it was not there. {He} felt very sad.", values),
    fill('Then {Friend} the {friend} came by. "I will help you," {she} said.', values),
    fill("Together they found the {object} {third}.", values),
    phrase(key, "ending", parts.FOUND_ENDINGS, values),
  ];
}

function sharingPlot(key: Key, values: Record<string, string>): string[] {
  return [
    fill("{time}, {Friend} the {friend} wanted the {object} too. ", values) +
    fill('"It is mine!" said {Hero}, and {Friend} went away with tears in {hers} eyes.', {
      ...values,
      hers: values.she === "he" ? "his" : "her",
    }),
    fill(
      '{Hero} thought for a while. Then {he} ran after {Friend}. "I am sorry," {he} said. ',
      values,
    ) +
    '"We can take turns."',
    phrase(key, "ending", parts.SHARING_ENDINGS, values),
  ];
}

/**
 * One story.
 *
 * @param key what to draw from
 * @param heroName the hero's name, where the listener has chosen it
 */
export function story(key: Key, heroName?: string): Story {
  const values = cast(key, heroName);
  const plots = [rescuePlot, rescuePlot, lostPlot, sharingPlot];
  const text = [
    phrase(key, "opening", parts.OPENINGS, values),
    phrase(key, "arrival", parts.ARRIVALS, values),
    ...pick(key, "plot", plots)(key, values),
  ].join(" ");
  const questions: (readonly [string, string])[] = ([
    ["What was the name of the {hero}?", "The {hero} was named {Hero}."],
    ["Who was {Hero}?", "{Hero} was a {manner} {hero}."],
    ["Who was {Friend}?", "{Friend} the {friend} was a friend of {Hero}."],
    ["Where did {Hero} live?", "{Hero} lived {home}."],
    ["What colour was the {object}?", "The {object} was {colour}."],
  ] as const).map(([question, answer]) => [fill(question, values), fill(answer, values)]);
  return { text, hero: values.hero, object: values.object, heroName: values.Hero, questions };
}

const BOTH_PROMPTS = [
  "Tell me a story about a(n) {hero} and a(n) {object}.",
  "Write a short story about a(n) {hero} and a(n) {object}.",
  "Can you tell me a story about a(n) {hero} with a(n) {object}?",
  "I would like a story with a(n) {hero} and a(n) {object} in it.",
  "Please tell a bedtime story about a(n) {hero} and a(n) {object}.",
];

const NAMED_PROMPTS = [
  "Tell me a story about a(n) {hero} named {name} and a(n) {object}.",
  "Write a story about {name} the {hero} and a(n) {object}.",
];

const HERO_PROMPTS = [
  "Tell me a story about a(n) {hero}.",
  "Write a story about a(n) {hero}.",
  "Do you know a story about a(n) {hero}?",
];

const FREE_PROMPTS = ["Tell me a story.", "Write a short story.", "I want to hear a story."];

function storyExchange(key: Key): { readonly told: Story; readonly exchange: Exchange } {
  const form = pick(key, "form", ["both", "both", "both", "named", "hero", "free"] as const);
  const told = story(key, pick(key, "hero name", CHARACTERS).name);
  const values = { hero: told.hero, object: told.object, name: told.heroName };
  const templates = {
    both: BOTH_PROMPTS,
    named: NAMED_PROMPTS,
    hero: HERO_PROMPTS,
    free: FREE_PROMPTS,
  };
  const exchange = {
    prompt: phrase(key, "prompt", templates[form], values),
    answer: told.text,
    combination: form === "both" || form === "named" ? `story/${told.hero}/${told.object}` : null,
  };
  return { told, exchange };
}

function storyWithQuestion(key: Key): readonly Exchange[] {
  const { told, exchange } = storyExchange(key);
  const asked = pickSeveral(key, "questions", told.questions, integerBetween(key, "count", 1, 2));
  return [exchange, ...asked.map(([prompt, answer]) => ({ prompt, answer, combination: null }))];
}

const TOPICS = ["moon", "sun", "sea", "rain", "wind", "snow", "river", "night", "star", "forest"];

const COUPLETS: readonly string[] = [
  "I saw the {topic} one quiet day,\nand all my worries went away.",
  "The {topic} is near, the {topic} is far,\nas {adjective} as an evening star.",
  "Oh {topic}, dear {topic}, stay with me,\nand sing a song of hill and tree.",
  "When evening comes and birds are still,\nI watch the {topic} from the hill.",
  "The {topic} has stories, old and new,\nand now it tells a few to you.",
  "Sleep well, my friend, and do not fear,\nthe {adjective} {topic} is always here.",
  "It does not shout, it does not run,\nthe {topic} is kind to everyone.",
  "So take my hand and come outside,\nthe {topic} is {adjective}, the world is wide.",
];

const ADJECTIVES = ["bright", "gentle", "deep", "soft", "calm", "silver"];

function poem(key: Key): Exchange {
  const topic = pick(key, "topic", TOPICS);
  const couplets = pickSeveral(key, "couplets", COUPLETS, 2);
  const values = { topic, adjective: pick(key, "adjective", ADJECTIVES) };
  const prompts = [
    "Write a poem about the {topic}.",
    "Can you write a short poem about the {topic}?",
    "Please make up a poem about the {topic}.",
    "I would like a poem about the {topic}.",
    "Do you know a poem about the {topic}?",
  ];
  const prompt = phrase(key, "prompt", prompts, values);
  const answer = couplets.map((couplet) => fill(couplet, values)).join("\n");
  return { prompt, answer, combination: `poem/${prompt}` };
}

/** Every kind that tells something. */
export const STORY_KINDS: readonly Kind[] = [
  singleTurn("story", 12, (key) => storyExchange(key).exchange),
  { name: "story and question", weight: 5, exchanges: storyWithQuestion },
  singleTurn("poem", 3, poem),
];

/** True for a draw that should be a story rather than facts, in plain-text documents. */
export function wantsStory(key: Key): boolean {
  return chance(key, "wants story", 0.75);
}
