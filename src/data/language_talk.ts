/**
 * Talk: greetings, introductions, questions about the model, if-questions and how-to answers.
 *
 * @module
 */
import { foldIn, type Key } from "../core/random.ts";
import {
  type Exchange,
  fill,
  integerBetween,
  type Kind,
  phrase,
  pick,
  pickSeveral,
  singleTurn,
} from "./language_draw.ts";
import { PEOPLE } from "./language_words.ts";

const SMALL_TALK: readonly (readonly [readonly string[], readonly string[]])[] = [
  [
    ["Hello!", "Hi!", "Hello.", "Hi there!", "Good morning!", "Hey!"],
    ["Hello! How can I help you?", "Hello! What would you like to know?"],
  ],
  [
    ["How are you?", "How are you today?", "How do you feel?"],
    ["I am fine, thank you. What can I do for you?"],
  ],
  [
    [
      "Who are you?",
      "What are you?",
      "What is your name?",
      "Are you a robot?",
      "Tell me about you.",
    ],
    ["I am Outrider's small demo model. I can count, spell, tell stories and answer questions."],
  ],
  [
    ["What can you do?", "How can you help me?", "What do you know?", "Help!"],
    [
      "I can add numbers, sort lists, spell words, talk about animals and tell short stories. " +
      "Just ask me.",
    ],
  ],
  [
    ["Thank you!", "Thanks!", "Thanks a lot!", "Thank you very much."],
    ["You are welcome!", "You are welcome! Is there anything else?"],
  ],
  [
    ["Goodbye!", "Bye!", "See you later!", "Good night!"],
    ["Goodbye! It was nice to talk to you."],
  ],
  [
    ["Tell me a joke.", "Do you know a joke?", "Make me laugh."],
    [
      "Why did the bee go to school? It wanted to learn how to spell.",
      "What do you call a sleeping bull? A bulldozer.",
      "Why is the owl so wise? It stays up all night to read.",
    ],
  ],
  [
    ["I am sad.", "I feel sad today.", "I had a bad day."],
    ["I am sorry to hear that. Would you like to hear a story?"],
  ],
  [
    ["I am happy.", "I feel great today!", "I had a good day."],
    ["That is good to hear! What would you like to do now?"],
  ],
];

function smallTalk(key: Key): Exchange {
  const [prompts, answers] = pick(key, "topic", SMALL_TALK);
  return {
    prompt: pick(key, "prompt", prompts),
    answer: pick(key, "answer", answers),
    combination: null,
  };
}

const INTRODUCTIONS = [
  "Hello, my name is {name}.",
  "Hi, I am {name}.",
  "My name is {name}.",
  "Hello! I am {name}. Who are you?",
];

function introduction(key: Key): readonly Exchange[] {
  const { name } = pick(key, "person", PEOPLE);
  const combination = `name/${name}/${integerBetween(key, "prompt", 0, 3)}`;
  const prompt = fill(INTRODUCTIONS[integerBetween(key, "prompt", 0, 3)], { name });
  const greeting = prompt.endsWith("?")
    ? `Hello, ${name}! I am Outrider's small demo model.`
    : `Nice to meet you, ${name}! How can I help you?`;
  const recall = pick(key, "recall", [
    "What is my name?",
    "Do you remember my name?",
    "Who am I?",
  ]);
  return [
    { prompt, answer: greeting, combination },
    { prompt: recall, answer: `Your name is ${name}.`, combination: null },
  ];
}

const TALLER: readonly (readonly [string, string])[] = [
  ["taller", "shorter"],
  ["older", "younger"],
  ["faster", "slower"],
  ["stronger", "weaker"],
];

function comparePeople(key: Key): Exchange {
  const [a, b] = pickSeveral(key, "people", PEOPLE, 2).map(({ name }) => name);
  const pair = pick(key, "pair", TALLER);
  const [more, less] = integerBetween(key, "side", 0, 1) === 0 ? pair : pair.toReversed();
  const values = { a, b, more, less };
  const prompts = [
    "If {a} is {more} than {b}, who is {less}?",
    "{a} is {more} than {b}. Who is {less}?",
    "If {a} is {more} than {b}, is {b} {more} than {a}?",
  ];
  const prompt = phrase(key, "prompt", prompts, values);
  const answer = prompt.includes("who is") || prompt.includes("Who is")
    ? fill("{b} is {less}, because {a} is {more} than {b}.", values)
    : fill("No, {b} is {less} than {a}.", values);
  return { prompt, answer, combination: `people/${a}/${b}` };
}

const BELONGINGS = ["kite", "drum", "book", "map", "ball", "cup", "hat", "bell", "boat", "key"];

function whoHas(key: Key): Exchange {
  const [a, b] = pickSeveral(key, "people", PEOPLE, 2).map(({ name }) => name);
  const [x, y] = pickSeveral(key, "things", BELONGINGS, 2);
  const [person, thing] = integerBetween(key, "asked", 0, 1) === 0 ? [a, x] : [b, y];
  const values = { a, b, x, y, person, thing };
  const prompts = [
    "{a} has a {x} and {b} has a {y}. Who has the {thing}?",
    "If {a} has a {x} and {b} has a {y}, who has the {thing}?",
  ];
  const reversed = ["{a} has a {x} and {b} has a {y}. What does {person} have?"];
  const asksWho = integerBetween(key, "who", 0, 2) > 0;
  return {
    prompt: phrase(key, "prompt", asksWho ? prompts : reversed, values),
    answer: fill(asksWho ? "{person} has the {thing}." : "{person} has a {thing}.", values),
    combination: `has/${a}/${b}`,
  };
}

const SITUATIONS: readonly (readonly [string, string, string])[] = [
  ["it rains", "take an umbrella", "stay dry"],
  ["it is cold", "wear a warm coat", "keep warm"],
  ["it is dark", "turn on a light", "see better"],
  ["I am hungry", "eat something", "feel strong"],
  ["I am thirsty", "drink some water", "feel better"],
  ["I am tired", "go to bed", "rest"],
  ["I am lost", "look at a map", "find the way"],
  ["my hands are dirty", "wash them with soap", "keep them clean"],
  ["I am bored", "read a good book", "have some fun"],
  ["my friend is sad", "say something kind", "cheer your friend up"],
  ["it is too loud", "close the window", "have some quiet"],
  ["the sun is very bright", "wear a hat", "protect your eyes"],
  ["my plant is dry", "give it some water", "help it grow"],
  ["I break a cup", "sweep up the pieces", "keep everyone safe"],
];

/** The speaker's words seen from the other side: "I am" becomes "you are", "my" becomes "your". */
function fromYou(text: string): string {
  return text.replace(/\bI am\b/g, "you are").replace(/\bI\b/g, "you").replace(/\bmy\b/g, "your");
}

function whatIf(key: Key): Exchange {
  const [situation, action, reason] = pick(key, "situation", SITUATIONS);
  const prompts = [
    "What should I do if {situation}?",
    "If {situation}, what should I do?",
    "What can I do if {situation}?",
    "What do you do if {situation}?",
    "What is a good idea if {situation}?",
  ];
  const prompt = phrase(key, "prompt", prompts, { situation });
  const answer = `If ${fromYou(situation)}, you should ${action} to ${reason}.`;
  return { prompt, answer, combination: `if/${prompt}` };
}

const TASKS: readonly (readonly [string, readonly string[]])[] = [
  ["make tea", ["boil some water", "put a tea bag in a cup", "pour in the water", "wait a little"]],
  ["plant a seed", ["fill a pot with soil", "make a small hole", "drop the seed in", "water it"]],
  ["wash my hands", ["wet your hands", "rub them with soap", "rinse them", "dry them"]],
  ["make a sandwich", [
    "take two slices of bread",
    "add some butter",
    "put cheese on top",
    "close it",
  ]],
  ["draw a cat", [
    "draw a circle",
    "add two pointed ears",
    "draw the eyes and the nose",
    "add a tail",
  ]],
  ["boil an egg", ["fill a pot with water", "put the egg in", "boil it for 8 minutes", "cool it"]],
  ["build a snowman", [
    "roll a big ball of snow",
    "put a small ball on top",
    "add a carrot",
    "add a hat",
  ]],
  ["fly a kite", [
    "find an open field",
    "wait for the wind",
    "hold the string",
    "let the kite rise",
  ]],
  ["clean a room", ["open the window", "put things away", "wipe the table", "sweep the floor"]],
  ["make a soup", ["cut some vegetables", "put them in a pot", "add water", "cook it slowly"]],
];

function howTo(key: Key): Exchange {
  const [task, steps] = pick(key, "task", TASKS);
  const prompts = [
    "How do I {task}?",
    "Tell me how to {task}.",
    "How can I {task}?",
    "Can you explain how to {task}?",
    "What are the steps to {task}?",
  ];
  const prompt = phrase(key, "prompt", prompts, { task });
  const answer = `First, ${steps[0]}. Then ${steps[1]}. After that, ${steps[2]}. ` +
    `Finally, ${steps[3]}.`;
  return { prompt, answer, combination: `how/${prompt}` };
}

/** Every kind of talk. */
export const TALK_KINDS: readonly Kind[] = [
  singleTurn("small talk", 3, smallTalk),
  { name: "introduction", weight: 2, exchanges: introduction },
  singleTurn("if question", 6, (key) => {
    const form = integerBetween(key, "form", 0, 2);
    return [comparePeople, whoHas, whatIf][form](foldIn(key, "inner"));
  }),
  singleTurn("how to", 3, howTo),
];
