/**
 * Words as letters and in lists: spelling, first and last letters, reversing, sorting, repeating.
 *
 * @module
 */
import type { Key } from "../core/random.ts";
import {
  capitalised,
  type Exchange,
  integerBetween,
  joined,
  type Kind,
  phrase,
  pick,
  pickSeveral,
  singleTurn,
} from "./language_draw.ts";
import { ANIMALS, CHARACTERS, GROUPS, OPPOSITES, PLURALS, RHYMES } from "./language_words.ts";

/** Every plain word that is spelled, sorted or reversed. */
const WORDS: readonly string[] = [
  ...new Set([
    ...Object.values(GROUPS).flat(),
    ...ANIMALS.map(({ name }) => name),
    ...PLURALS.map(([singular]) => singular),
    ...OPPOSITES.flat(),
    ...RHYMES.flat(),
  ]),
];

const SPELL_PROMPTS = [
  "Spell the word {word}.",
  "How do you spell {word}?",
  "Please spell {word} for me.",
  "Can you spell {word}?",
  "Spell {word} letter by letter.",
];
const FIRST_LETTER_PROMPTS = [
  "What is the first letter of {word}?",
  "Which letter does {word} start with?",
  "What letter does the word {word} begin with?",
];
const LAST_LETTER_PROMPTS = [
  "What is the last letter of {word}?",
  "Which letter does {word} end with?",
  "What letter does the word {word} end with?",
];
const LENGTH_PROMPTS = [
  "How many letters are in {word}?",
  "How many letters does the word {word} have?",
  "Count the letters in {word}.",
];

function spell(key: Key): Exchange {
  const word = pick(key, "word", WORDS);
  const prompt = phrase(key, "prompt", SPELL_PROMPTS, { word });
  const answer = `${capitalised(word)} is spelled ${[...word].join("-")}.`;
  return { prompt, answer, combination: `spell/${prompt}` };
}

function letters(key: Key): Exchange {
  const word = pick(key, "word", WORDS);
  const form = pick(key, "form", ["first", "last", "length"] as const);
  const prompts = {
    first: FIRST_LETTER_PROMPTS,
    last: LAST_LETTER_PROMPTS,
    length: LENGTH_PROMPTS,
  };
  const prompt = phrase(key, "prompt", prompts[form], { word });
  const answers = {
    first: `The word ${word} starts with the letter ${word[0]}.`,
    last: `The word ${word} ends with the letter ${word[word.length - 1]}.`,
    length: `${[...word].join("-")}: the word ${word} has ${word.length} letters.`,
  };
  return { prompt, answer: capitalised(answers[form]), combination: `letters/${prompt}` };
}

const REVERSE_PROMPTS = [
  "Reverse this list: {list}.",
  "Say these words backwards: {list}.",
  "Turn this list around: {list}.",
  "Write this list in reverse order: {list}.",
];

function reverse(key: Key): Exchange {
  const words = pickSeveral(key, "words", WORDS, integerBetween(key, "count", 3, 4));
  return {
    prompt: phrase(key, "prompt", REVERSE_PROMPTS, { list: words.join(", ") }),
    answer: `In reverse order: ${words.toReversed().join(", ")}.`,
    combination: `reverse/${words.join("/")}`,
  };
}

const SORT_PROMPTS = [
  "Put these words in alphabetical order: {list}.",
  "Sort these words from a to z: {list}.",
  "Sort these words: {list}.",
  "Can you put {and} in alphabetical order?",
];

function differentInitials(words: readonly string[]): boolean {
  return new Set(words.map((word) => word[0])).size === words.length;
}

function sortWords(key: Key): Exchange {
  const count = integerBetween(key, "count", 3, 4);
  const drawn = pickSeveral(key, "words", WORDS, 12);
  const words = drawn.reduce<string[]>(
    (list, word) =>
      list.length < count && differentInitials([...list, word]) ? [...list, word] : list,
    [],
  );
  const sorted = words.toSorted();
  return {
    prompt: phrase(key, "prompt", SORT_PROMPTS, { list: words.join(", "), and: joined(words) }),
    answer: `In alphabetical order: ${sorted.join(", ")}.`,
    combination: `sort/${sorted.join("/")}`,
  };
}

const POSITIONS = ["first", "second", "last"] as const;

function positionInList(key: Key): Exchange {
  const words = pickSeveral(key, "words", WORDS, integerBetween(key, "count", 3, 5));
  const position = pick(key, "position", POSITIONS);
  const word = { first: words[0], second: words[1], last: words[words.length - 1] }[position];
  const prompts = [
    "What is the {position} word in this list: {list}?",
    "Which word comes {position} in this list: {list}?",
    "Tell me the {position} word of this list: {list}.",
  ];
  return {
    prompt: phrase(key, "prompt", prompts, { position, list: words.join(", ") }),
    answer: `The ${position} word in the list is ${word}.`,
    combination: `position/${words.join("/")}`,
  };
}

function countList(key: Key): Exchange {
  const group = pick(key, "group", Object.keys(GROUPS));
  const items = pickSeveral(key, "items", GROUPS[group], integerBetween(key, "count", 2, 6));
  const prompts = [
    "How many {group} are in this list: {list}?",
    "Count the {group}: {list}.",
    "How many {group} do you see here: {list}?",
  ];
  return {
    prompt: phrase(key, "prompt", prompts, { group, list: items.join(", ") }),
    answer: `There are ${items.length} ${group} in the list: ${joined(items)}.`,
    combination: `count list/${items.join("/")}`,
  };
}

function oddOneOut(key: Key): Exchange {
  const [group, other] = pickSeveral(key, "groups", Object.keys(GROUPS), 2);
  const odd = pick(key, "odd", GROUPS[other]);
  const rest = pickSeveral(key, "rest", GROUPS[group], 3);
  const at = integerBetween(key, "at", 0, 3);
  const list = rest.toSpliced(at, 0, odd).join(", ");
  const prompts = [
    "Which word does not belong: {list}?",
    "Which is the odd one out: {list}?",
    "Find the word that does not fit: {list}.",
  ];
  return {
    prompt: phrase(key, "prompt", prompts, { list }),
    answer: `The word ${odd} does not belong, because the other words are ${group}.`,
    combination: `odd/${rest.toSorted().join("/")}/${odd}`,
  };
}

const REPEATED = [
  "the {a} sat by the {b}",
  "a {b} and a {a} went home",
  "my {a} likes your {b}",
  "no {a} can see the {b}",
];

function repeat(key: Key): Exchange {
  const [a, b] = pickSeveral(key, "words", CONSONANT_ANIMALS, 2);
  const sentence = capitalised(phrase(key, "sentence", REPEATED, { a, b }));
  const prompts = ["Repeat after me: {sentence}.", "Say this: {sentence}.", "Repeat: {sentence}."];
  return {
    prompt: phrase(key, "prompt", prompts, { sentence }),
    answer: `${sentence}.`,
    combination: `repeat/${a}/${b}`,
  };
}

/** Animals that take the article "a". */
const CONSONANT_ANIMALS = ANIMALS.map(({ name }) => name).filter((name) => !/^[aeiou]/.test(name));

function shout(key: Key): Exchange {
  const word = pick(key, "word", [...CONSONANT_ANIMALS, ...CHARACTERS.map(({ name }) => name)]);
  const times = pick(key, "times", [[2, "two"], [3, "three"], [4, "four"]] as const);
  const prompts = ["Say {word} {times} times.", "Write the word {word} {times} times."];
  return {
    prompt: phrase(key, "prompt", prompts, { word, times: times[1] }),
    answer: capitalised(`${Array.from({ length: times[0] }, () => word).join(", ")}.`),
    combination: `shout/${word}/${times[0]}`,
  };
}

/** Every kind about letters and lists. */
export const LIST_KINDS: readonly Kind[] = [
  singleTurn("spelling", 5, spell),
  singleTurn("letters", 4, letters),
  singleTurn("reversing", 4, reverse),
  singleTurn("word order", 4, sortWords),
  singleTurn("list position", 3, positionInList),
  singleTurn("counting items", 3, countList),
  singleTurn("odd one out", 3, oddOneOut),
  singleTurn("repeating", 2, repeat),
  singleTurn("saying often", 1, shout),
];
