/**
 * What the speculation benchmark asks a chat model: answers that repeat the question, which prompt
 * lookup finds, and answers that do not.
 *
 * @module
 */

/** Questions of one kind. */
export interface Task {
  readonly name: string;
  readonly prompts: readonly string[];
}

const NOTICE =
  "The library on Mill Street will be closed from Monday the 4th to Friday the 8th of " +
  "May while the heating is replaced. Books that are due in that week may be returned until the " +
  "following Tuesday without a fee. The reading room of the town hall stays open every day from " +
  "nine to five, and the children's hour takes place there on Wednesday afternoon.";

const RECIPE =
  "Peel the potatoes and cut them into thin slices. Heat the oil in a wide pan and fry " +
  "the potatoes slowly for twenty minutes. Beat the eggs with salt, add the potatoes, and let the " +
  "mixture stand for ten minutes. Pour it back into the pan and fry it on both sides until it is " +
  "firm.";

const PROGRAM =
  "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n" +
  "    return total / len(values)\n\ndef variance(values):\n    center = mean(values)\n" +
  "    total = 0\n    for value in values:\n        total += (value - center) ** 2\n" +
  "    return total / len(values)\n";

/** Tasks for a general chat model. */
export const TASKS: readonly Task[] = [
  {
    name: "copying",
    prompts: [
      `Repeat the following text word for word:\n\n${NOTICE}`,
      `Write down this recipe again, one sentence per line:\n\n${RECIPE}`,
      `Add a comment to every function of this program and print all of it:\n\n${PROGRAM}`,
      `Summarise the notice in its own words, in three sentences:\n\n${NOTICE}`,
    ],
  },
  {
    name: "open",
    prompts: [
      "Why is the sky blue?",
      "Write a short story about a fox who finds a map.",
      "How do plants make their food? Explain it step by step.",
      "Give me five ideas for a rainy afternoon with children.",
    ],
  },
];
