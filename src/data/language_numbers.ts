/**
 * Numbers: sums, differences, products, word problems, comparing, ordering and counting.
 *
 * Two-digit sums are worked in two steps (tens, then ones), which a small model can learn as a rule
 * instead of as a table.
 *
 * @module
 */
import { foldIn, type Key } from "../core/random.ts";
import {
  capitalised,
  chance,
  type Exchange,
  fill,
  integerBetween,
  joined,
  type Kind,
  phrase,
  pick,
  pickSeveral,
  singleTurn,
} from "./language_draw.ts";
import { ANIMALS, PEOPLE, PLURALS } from "./language_words.ts";

const SUM_PROMPTS = [
  "What is {a} plus {b}?",
  "What is {a} + {b}?",
  "Add {a} and {b}.",
  "How much is {a} plus {b}?",
  "Can you add {a} and {b}?",
  "Please work out {a} + {b}.",
  "What do {a} and {b} make together?",
];

const DIFFERENCE_PROMPTS = [
  "What is {a} minus {b}?",
  "What is {a} - {b}?",
  "Take {b} away from {a}.",
  "How much is {a} minus {b}?",
  "Subtract {b} from {a}.",
  "Please work out {a} - {b}.",
  "What is left when you take {b} from {a}?",
];

const PRODUCT_PROMPTS = [
  "What is {a} times {b}?",
  "Multiply {a} by {b}.",
  "How much is {a} times {b}?",
  "Please work out {a} times {b}.",
];

/** "38 plus 20 is 58, and 58 plus 5 is 63. So 38 plus 25 is 63." */
function workedAnswer(a: number, b: number, word: "plus" | "minus"): string {
  const sign = word === "plus" ? 1 : -1;
  const tens = b - (b % 10);
  const middle = a + sign * tens;
  const result = a + sign * b;
  const values = { a, b, tens, middle, ones: b % 10, result, word };
  if (tens === 0 || b % 10 === 0) return fill("{a} {word} {b} is {result}.", values);
  return fill(
    "{a} {word} {tens} is {middle}, and {middle} {word} {ones} is {result}. " +
      "So {a} {word} {b} is {result}.",
    values,
  );
}

/** Single-digit pairs are facts to memorise, so only the wording of such a prompt is held out. */
function operandCombination(kind: string, a: number, b: number, prompt: string): string {
  return a < 10 && b < 10 ? `${kind}/${prompt}` : `${kind}/${a}/${b}`;
}

function sum(key: Key): Exchange {
  const small = chance(key, "small", 0.25);
  const a = integerBetween(key, "a", 1, small ? 9 : 79);
  const b = integerBetween(key, "b", 1, small ? 9 : 99 - a);
  const prompt = phrase(key, "prompt", SUM_PROMPTS, { a, b });
  return {
    prompt,
    answer: workedAnswer(a, b, "plus"),
    combination: operandCombination("sum", a, b, prompt),
  };
}

function difference(key: Key): Exchange {
  const a = integerBetween(key, "a", 2, chance(key, "small", 0.25) ? 9 : 99);
  const b = integerBetween(key, "b", 1, a - 1);
  const prompt = phrase(key, "prompt", DIFFERENCE_PROMPTS, { a, b });
  return {
    prompt,
    answer: workedAnswer(a, b, "minus"),
    combination: operandCombination("difference", a, b, prompt),
  };
}

function product(key: Key): Exchange {
  const [a, b] = [integerBetween(key, "a", 1, 10), integerBetween(key, "b", 1, 10)];
  const prompt = phrase(key, "prompt", PRODUCT_PROMPTS, { a, b });
  return { prompt, answer: `${a} times ${b} is ${a * b}.`, combination: `product/${prompt}` };
}

const GAIN_PROMPTS = [
  "{name} has {a} {things} and finds {b} more. How many {things} does {name} have now?",
  "{name} had {a} {things}. Then {he} got {b} more. How many {things} does {name} have now?",
];
const LOSS_PROMPTS = [
  "{name} has {a} {things} and gives {b} away. How many {things} does {name} have now?",
  "{name} had {a} {things}. Then {he} lost {b} of them. How many {things} does {name} have now?",
];

/** Things that people own in word problems. */
const THINGS = PLURALS.slice(0, 9).map(([, plural]) => plural);

function wordProblem(key: Key): Exchange {
  const { name, he } = pick(key, "person", PEOPLE);
  const things = pick(key, "things", THINGS);
  const gains = chance(key, "gains", 0.5);
  const a = gains ? integerBetween(key, "a", 2, 10) : integerBetween(key, "a", 4, 12);
  const b = gains ? integerBetween(key, "b", 2, 9) : integerBetween(key, "b", 2, a - 2);
  const result = gains ? a + b : a - b;
  const values = { name, he, things, a, b, result, word: gains ? "plus" : "minus" };
  return {
    prompt: phrase(key, "prompt", gains ? GAIN_PROMPTS : LOSS_PROMPTS, values),
    answer: fill("{name} has {result} {things} now, because {a} {word} {b} is {result}.", values),
    combination: `problem/${name}/${things}/${a}/${b}`,
  };
}

const BIGGER_PROMPTS = [
  "Which is bigger, {a} or {b}?",
  "Which number is bigger: {a} or {b}?",
  "What is the bigger number, {a} or {b}?",
];
const SMALLER_PROMPTS = [
  "Which is smaller, {a} or {b}?",
  "Which number is smaller: {a} or {b}?",
  "What is the smaller number, {a} or {b}?",
];

function compareNumbers(key: Key): Exchange {
  const a = integerBetween(key, "a", 1, 99);
  const b = 1 + (a - 1 + integerBetween(key, "offset", 1, 98)) % 99;
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const combination = `compare/${low}/${high}`;
  const form = integerBetween(key, "form", 0, 2);
  if (form === 2) {
    const answer = a > b ? `Yes, ${a} is bigger than ${b}.` : `No, ${a} is smaller than ${b}.`;
    return { prompt: `Is ${a} bigger than ${b}?`, answer, combination };
  }
  const prompt = phrase(key, "prompt", form === 0 ? BIGGER_PROMPTS : SMALLER_PROMPTS, { a, b });
  const answer = form === 0 ? `${high} is bigger than ${low}.` : `${low} is smaller than ${high}.`;
  return { prompt, answer, combination };
}

const BIG_ANIMAL_PROMPTS = [
  "Which is bigger, {a} or {b}?",
  "Which animal is bigger: {a} or {b}?",
  "Who is bigger, {a} or {b}?",
];
const SMALL_ANIMAL_PROMPTS = [
  "Which is smaller, {a} or {b}?",
  "Which animal is smaller: {a} or {b}?",
  "Who is smaller, {a} or {b}?",
];

function compareAnimals(key: Key): Exchange {
  const first = pick(key, "first", ANIMALS);
  const second = pick(key, "second", ANIMALS.filter((it) => Math.abs(it.size - first.size) > 1));
  const [a, b] = [fill("a(n) {name}", { ...first }), fill("a(n) {name}", { ...second })];
  const [low, high] = first.size < second.size ? [a, b] : [b, a];
  const combination = `compare/${low}/${high}`;
  const form = integerBetween(key, "form", 0, 2);
  if (form === 2) {
    const answer = high === a ? `Yes, ${a} is bigger than ${b}.` : `No, ${a} is smaller than ${b}.`;
    return { prompt: `Is ${a} bigger than ${b}?`, answer, combination };
  }
  const prompts = form === 0 ? BIG_ANIMAL_PROMPTS : SMALL_ANIMAL_PROMPTS;
  const answer = form === 0 ? `${high} is bigger than ${low}.` : `${low} is smaller than ${high}.`;
  return {
    prompt: phrase(key, "prompt", prompts, { a, b }),
    answer: capitalised(answer),
    combination,
  };
}

const ORDER_PROMPTS = [
  "Put these numbers in order: {list}.",
  "Sort these numbers: {list}.",
  "Sort the numbers {list} from small to big.",
  "Can you put {list} in order?",
];

function orderNumbers(key: Key): Exchange {
  const count = integerBetween(key, "count", 3, 4);
  const range = Array.from({ length: chance(key, "small", 0.4) ? 9 : 50 }, (_, i) => i + 1);
  const numbers = pickSeveral(key, "numbers", range, count);
  const sorted = numbers.toSorted((x, y) => x - y);
  return {
    prompt: phrase(key, "prompt", ORDER_PROMPTS, { list: joined(numbers) }),
    answer: `In order, the numbers are ${joined(sorted)}.`,
    combination: `order/${sorted.join("/")}`,
  };
}

const COUNT_PROMPTS = [
  "Count from {a} to {b}.",
  "Please count from {a} to {b}.",
  "Can you count from {a} to {b}?",
];

function count(key: Key): Exchange {
  const step = pick(key, "step", [1, 1, -1, 2]);
  const length = integerBetween(key, "length", 4, 9);
  const low = step === 2
    ? 2 * integerBetween(key, "low", 1, 10)
    : integerBetween(key, "low", 1, chance(key, "large", 0.4) ? 60 : 12);
  const numbers = Array.from({ length }, (_, i) => low + i * Math.abs(step));
  if (step < 0) numbers.reverse();
  const values = { a: numbers[0], b: numbers[length - 1] };
  const prompt = step === 2
    ? fill("Count by twos from {a} to {b}.", values)
    : phrase(key, "prompt", COUNT_PROMPTS, values);
  return {
    prompt,
    answer: `${numbers.join(", ")}.`,
    combination: `count/${step}/${values.a}/${values.b}`,
  };
}

/** Every kind about numbers. */
export const NUMBER_KINDS: readonly Kind[] = [
  singleTurn("sum", 8, sum),
  singleTurn("difference", 7, difference),
  singleTurn("product", 3, product),
  singleTurn("word problem", 5, wordProblem),
  singleTurn("comparison", 5, (key) => {
    const inner = foldIn(key, "inner");
    return chance(key, "animals", 0.5) ? compareAnimals(inner) : compareNumbers(inner);
  }),
  singleTurn("number order", 4, orderNumbers),
  singleTurn("counting", 4, count),
];
