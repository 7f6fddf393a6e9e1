/**
 * Facts from the small world: animals, colours, opposites, plurals, rhymes, riddles, groups.
 *
 * @module
 */
import type { Key } from "../core/random.ts";
import {
  capitalised,
  type Exchange,
  fill,
  integerBetween,
  joined,
  type Kind,
  phrase,
  pick,
  pickSeveral,
  singleTurn,
  withArticle,
} from "./language_draw.ts";
import {
  type Animal,
  ANIMALS,
  COLOURED,
  FRUITS,
  GROUPS,
  OPPOSITES,
  PLURALS,
  RHYMES,
} from "./language_words.ts";

interface Property {
  readonly prompts: readonly string[];
  readonly answer: string;
}

const PROPERTIES: readonly Property[] = [
  {
    prompts: [
      "What does a(n) {name} say?",
      "What sound does a(n) {name} make?",
      "Tell me what a(n) {name} says.",
      "Which sound do {plural} make?",
    ],
    answer: "A(n) {name} says {sound}.",
  },
  {
    prompts: [
      "What does a(n) {name} eat?",
      "What do {plural} eat?",
      "Tell me what a(n) {name} eats.",
      "What food do {plural} like?",
    ],
    answer: "A(n) {name} eats {eats}.",
  },
  {
    prompts: [
      "Where does a(n) {name} live?",
      "Where do {plural} live?",
      "Tell me where a(n) {name} lives.",
      "Where can I find a(n) {name}?",
    ],
    answer: "A(n) {name} lives {lives}.",
  },
  {
    prompts: [
      "How many legs does a(n) {name} have?",
      "How many legs do {plural} have?",
      "Tell me how many legs a(n) {name} has.",
    ],
    answer: "A(n) {name} has {legs} legs.",
  },
  {
    prompts: [
      "What is a young {name} called?",
      "What do you call a baby {name}?",
      "What is the young of a(n) {name} called?",
    ],
    answer: "A young {name} is called a(n) {young}.",
  },
];

/** An animal as template values. */
function valuesOf(animal: Animal): Record<string, string | number> {
  return { ...animal, legs: animal.legs === 0 ? "no" : animal.legs };
}

function animalFact(key: Key): Exchange {
  const values = valuesOf(pick(key, "animal", ANIMALS));
  const property = pick(key, "property", PROPERTIES);
  const prompt = phrase(key, "prompt", property.prompts, values);
  return { prompt, answer: fill(property.answer, values), combination: `animal/${prompt}` };
}

function yesOrNo(key: Key): Exchange {
  const animal = pick(key, "animal", ANIMALS);
  const other = pick(key, "other", [animal, ...ANIMALS]);
  const [question, negative, positive, field] = pick(
    key,
    "form",
    [
      ["Does a(n) {name} say {guess}?", "does not say {guess}", "says {truth}", "sound"],
      ["Does a(n) {name} eat {guess}?", "does not eat {guess}", "eats {truth}", "eats"],
      ["Does a(n) {name} live {guess}?", "does not live {guess}", "lives {truth}", "lives"],
    ] as const,
  );
  const guess = integerBetween(key, "honest", 0, 1) === 0 ? animal[field] : other[field];
  const values = { name: animal.name, guess, truth: animal[field] };
  const prompt = fill(question, values);
  const answer = guess === animal[field]
    ? fill(`Yes, a(n) {name} ${positive}.`, values)
    : fill(`No, a(n) {name} ${negative}. A(n) {name} ${positive}.`, values);
  return { prompt, answer, combination: `animal/${prompt}` };
}

const DESCRIBE_PROMPTS = [
  "Describe a(n) {name}.",
  "Tell me about the {name}.",
  "What do you know about {plural}?",
  "What is a(n) {name}?",
  "Tell me something about {plural}.",
];

/** A short paragraph about an animal. */
export function description(animal: Animal): string {
  return fill(
    "A(n) {name} is a(n) {manner} animal with {legs} legs. It lives {lives} and eats {eats}. " +
      "A(n) {name} says {sound}, and a young {name} is called a(n) {young}.",
    valuesOf(animal),
  );
}

function describe(key: Key): Exchange {
  const animal = pick(key, "animal", ANIMALS);
  const prompt = phrase(key, "prompt", DESCRIBE_PROMPTS, valuesOf(animal));
  return { prompt, answer: description(animal), combination: `describe/${prompt}` };
}

const RIDDLE_PROMPTS = [
  "I say {sound} and I live {lives}. What am I?",
  "Guess who I am: I live {lives} and I say {sound}.",
  "Which animal lives {lives} and says {sound}?",
  "Which animal says {sound} and eats {eats}?",
];

function riddle(key: Key): Exchange {
  const values = valuesOf(pick(key, "animal", ANIMALS));
  const prompt = phrase(key, "prompt", RIDDLE_PROMPTS, values);
  const answer = prompt.startsWith("Which")
    ? fill("That is the {name}. A(n) {name} lives {lives}, eats {eats} and says {sound}.", values)
    : fill("You are a(n) {name}. A(n) {name} lives {lives} and says {sound}.", values);
  return { prompt, answer, combination: `riddle/${prompt}` };
}

const COLOUR_PROMPTS = [
  "What colour is {thing}?",
  "Which colour does {thing} have?",
  "Tell me the colour of {thing}.",
];

const MIXES: readonly (readonly [string, string, string])[] = [
  ["red", "blue", "purple"],
  ["red", "yellow", "orange"],
  ["blue", "yellow", "green"],
  ["red", "white", "pink"],
  ["black", "white", "grey"],
];

function mix(key: Key): Exchange {
  const [first, second, result] = pick(key, "mix", MIXES);
  const [a, b] = integerBetween(key, "swap", 0, 1) === 0 ? [first, second] : [second, first];
  const prompts = [
    "What do you get when you mix {a} and {b}?",
    "Which colour do {a} and {b} make?",
    "What colour do I get from {a} and {b}?",
  ];
  const prompt = phrase(key, "prompt", prompts, { a, b });
  const answer = `If you mix ${a} and ${b}, you get ${result}.`;
  return { prompt, answer, combination: `colour/${prompt}` };
}

function colour(key: Key): Exchange {
  if (integerBetween(key, "mixed", 0, 3) === 0) return mix(key);
  const things = [...FRUITS.map(([name, hue]) => [withArticle(name), hue] as const), ...COLOURED];
  const [thing, hue] = pick(key, "thing", things);
  const prompt = phrase(key, "prompt", COLOUR_PROMPTS, { thing });
  return { prompt, answer: capitalised(`${thing} is ${hue}.`), combination: `colour/${prompt}` };
}

const OPPOSITE_PROMPTS = [
  "What is the opposite of {word}?",
  "Tell me the opposite of {word}.",
  "Which word means the opposite of {word}?",
  "Give me the opposite of {word}.",
];

function opposite(key: Key): Exchange {
  const pair = pick(key, "pair", OPPOSITES);
  const [word, other] = integerBetween(key, "side", 0, 1) === 0 ? pair : pair.toReversed();
  const prompt = phrase(key, "prompt", OPPOSITE_PROMPTS, { word });
  const answer = `The opposite of ${word} is ${other}.`;
  return { prompt, answer, combination: `opposite/${prompt}` };
}

const PLURAL_PROMPTS = [
  "What is the plural of {word}?",
  "Tell me the plural of {word}.",
  "One {word}, two what?",
  "How do you say more than one {word}?",
];

function plural(key: Key): Exchange {
  const pairs = [...PLURALS, ...ANIMALS.map(({ name, plural }) => [name, plural] as const)];
  const [word, many] = pick(key, "word", pairs);
  const prompt = phrase(key, "prompt", PLURAL_PROMPTS, { word });
  const answer = prompt.startsWith("One")
    ? `One ${word}, two ${many}.`
    : `The plural of ${word} is ${many}.`;
  return { prompt, answer, combination: `plural/${prompt}` };
}

function rhyme(key: Key): Exchange {
  const [word, other] = pickSeveral(key, "words", pick(key, "group", RHYMES), 2);
  const prompts = [
    "What rhymes with {word}?",
    "Tell me a word that rhymes with {word}.",
    "Which word rhymes with {word}?",
    "Find a rhyme for {word}.",
  ];
  const prompt = phrase(key, "prompt", prompts, { word });
  const answer = capitalised(`${other} rhymes with ${word}.`);
  return { prompt, answer, combination: `rhyme/${prompt}` };
}

function nameSome(key: Key): Exchange {
  const group = pick(key, "group", Object.keys(GROUPS));
  const [count, word] = pick(key, "count", [[2, "two"], [3, "three"], [4, "four"]] as const);
  const items = pickSeveral(key, "items", GROUPS[group], count);
  const prompts = [
    "Name {word} {group}.",
    "Give me {word} {group}.",
    "Can you name {word} {group}?",
    "Please list {word} {group}.",
  ];
  const prompt = phrase(key, "prompt", prompts, { word, group });
  const article = capitalised(word);
  return {
    prompt,
    answer: `${article} ${group} are ${joined(items)}.`,
    combination: `name/${prompt}`,
  };
}

const GROUP_SINGULAR: Readonly<Record<string, string>> = {
  animals: "an animal",
  fruits: "a fruit",
  colours: "a colour",
  tools: "a tool",
  vegetables: "a vegetable",
};

function groupOf(key: Key): Exchange {
  const groups = Object.keys(GROUP_SINGULAR);
  const group = pick(key, "group", groups);
  const other = pick(key, "other", groups.filter((name) => name !== group));
  const bare = pick(key, "item", GROUPS[group]);
  const item = group === "colours" ? bare : withArticle(bare);
  const [a, b] = integerBetween(key, "swap", 0, 1) === 0 ? [group, other] : [other, group];
  const values = { item, a: GROUP_SINGULAR[a], b: GROUP_SINGULAR[b] };
  const prompts = ["Is {item} {a} or {b}?", "What is {item}, {a} or {b}?"];
  return {
    prompt: phrase(key, "prompt", prompts, values),
    answer: capitalised(`${item} is ${GROUP_SINGULAR[group]}.`),
    combination: `group/${bare}/${[a, b].toSorted().join("/")}`,
  };
}

/** Every kind about facts. */
export const FACT_KINDS: readonly Kind[] = [
  singleTurn("animal fact", 6, animalFact),
  singleTurn("yes or no", 4, yesOrNo),
  singleTurn("description", 4, describe),
  singleTurn("riddle", 3, riddle),
  singleTurn("colour", 2, colour),
  singleTurn("opposite", 3, opposite),
  singleTurn("plural", 3, plural),
  singleTurn("rhyme", 2, rhyme),
  singleTurn("naming", 2, nameSome),
  singleTurn("category", 2, groupOf),
];
