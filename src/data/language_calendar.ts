/**
 * The calendar: days, months and seasons.
 *
 * @module
 */
import type { Key } from "../core/random.ts";
import { type Exchange, fill, type Kind, phrase, pick, singleTurn } from "./language_draw.ts";

const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const MONTHS: readonly (readonly [string, number])[] = [
  ["January", 31],
  ["February", 28],
  ["March", 31],
  ["April", 30],
  ["May", 31],
  ["June", 30],
  ["July", 31],
  ["August", 31],
  ["September", 30],
  ["October", 31],
  ["November", 30],
  ["December", 31],
];

const ORDINALS = [
  "first",
  "second",
  "third",
  "fourth",
  "fifth",
  "sixth",
  "seventh",
  "eighth",
  "ninth",
  "tenth",
  "eleventh",
  "twelfth",
];

interface CalendarFact {
  readonly prompts: readonly string[];
  readonly answer: string;
}

/** The question and answer about the neighbour of one item in a cycle. */
function neighbours(names: readonly string[], unit: string, index: number): CalendarFact[] {
  const item = names[index];
  const next = names[(index + 1) % names.length];
  const previous = names[(index + names.length - 1) % names.length];
  return [
    {
      prompts: [
        `Which ${unit} comes after ${item}?`,
        `What ${unit} is after ${item}?`,
        `Which ${unit} follows ${item}?`,
        `Tell me the ${unit} after ${item}.`,
        `What comes after ${item}?`,
      ],
      answer: `${next} comes after ${item}.`,
    },
    {
      prompts: [
        `Which ${unit} comes before ${item}?`,
        `What ${unit} is before ${item}?`,
        `Tell me the ${unit} before ${item}.`,
        `What comes before ${item}?`,
      ],
      answer: `${previous} comes before ${item}.`,
    },
  ];
}

function dayFacts(index: number): CalendarFact[] {
  const day = DAYS[index];
  const next = DAYS[(index + 1) % 7];
  const afterNext = DAYS[(index + 2) % 7];
  const previous = DAYS[(index + 6) % 7];
  return [
    ...neighbours(DAYS, "day", index),
    {
      prompts: [
        `Today is ${day}. What day is tomorrow?`,
        `If today is ${day}, what day is tomorrow?`,
        `It is ${day} today. Which day will it be tomorrow?`,
      ],
      answer: `If today is ${day}, tomorrow is ${next}.`,
    },
    {
      prompts: [
        `Today is ${day}. What day was yesterday?`,
        `If today is ${day}, what day was yesterday?`,
        `It is ${day} today. Which day was it yesterday?`,
      ],
      answer: `If today is ${day}, yesterday was ${previous}.`,
    },
    {
      prompts: [
        `Which day is two days after ${day}?`,
        `What day comes two days after ${day}?`,
        `Today is ${day}. What day is it in two days?`,
      ],
      answer: `The day after ${day} is ${next}, and the day after that is ${afterNext}.`,
    },
    {
      prompts: [
        `Is ${day} part of the weekend?`,
        `Is ${day} a weekend day?`,
        `Does ${day} belong to the weekend?`,
      ],
      answer: index > 4
        ? `Yes, ${day} is part of the weekend.`
        : `No, ${day} is not part of the weekend.`,
    },
  ];
}

function season(index: number): string {
  return ["winter", "spring", "summer", "autumn"][Math.floor(((index + 1) % 12) / 3)];
}

function monthFacts(index: number): CalendarFact[] {
  const [month, days] = MONTHS[index];
  return [
    ...neighbours(MONTHS.map(([name]) => name), "month", index),
    {
      prompts: [
        `How many days does ${month} have?`,
        `How many days are in ${month}?`,
        `How long is ${month}?`,
        `Tell me how many days ${month} has.`,
      ],
      answer: month === "February"
        ? "February has 28 days, and 29 days in a leap year."
        : `${month} has ${days} days.`,
    },
    {
      prompts: [
        `Which number is the month ${month}?`,
        `Which month of the year is ${month}?`,
        `What place does ${month} have in the year?`,
      ],
      answer: `${month} is the ${ORDINALS[index]} month of the year.`,
    },
    {
      prompts: [
        `What is the ${ORDINALS[index]} month of the year?`,
        `Which month is the ${ORDINALS[index]} month?`,
        `Name the ${ORDINALS[index]} month of the year.`,
      ],
      answer: `The ${ORDINALS[index]} month of the year is ${month}.`,
    },
    {
      prompts: [
        `In which season is ${month}?`,
        `Which season is ${month} in?`,
        `What season is it in ${month}?`,
      ],
      answer: `In the north, ${month} is in ${season(index)}.`,
    },
  ];
}

const YEAR_FACTS: readonly CalendarFact[] = [
  {
    prompts: ["How many days are in a week?", "How many days does a week have?"],
    answer: "A week has 7 days.",
  },
  {
    prompts: ["How many months are in a year?", "How many months does a year have?"],
    answer: "A year has 12 months.",
  },
  {
    prompts: ["Name the days of the week.", "What are the days of the week?"],
    answer: "The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday " +
      "and Sunday.",
  },
  {
    prompts: ["Name the four seasons.", "What are the four seasons?"],
    answer: "The four seasons are spring, summer, autumn and winter.",
  },
];

/** Every calendar fact, grouped so that days and months are drawn equally often. */
const FACTS: readonly (readonly CalendarFact[])[] = [
  ...DAYS.map((_, index) => dayFacts(index)),
  ...MONTHS.map((_, index) => monthFacts(index)),
];

function calendar(key: Key): Exchange {
  const fact = pick(key, "fact", pick(key, "item", FACTS));
  const prompt = phrase(key, "prompt", fact.prompts, {});
  return { prompt, answer: fact.answer, combination: `calendar/${prompt}` };
}

function year(key: Key): Exchange {
  const fact = pick(key, "fact", YEAR_FACTS);
  return {
    prompt: fill(pick(key, "prompt", fact.prompts), {}),
    answer: fact.answer,
    combination: null,
  };
}

/** Every kind about the calendar. */
export const CALENDAR_KINDS: readonly Kind[] = [
  singleTurn("calendar", 6, calendar),
  singleTurn("year", 0.5, year),
];
