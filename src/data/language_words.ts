/**
 * The small, consistent world of the language: its animals, people, colours and words.
 *
 * @module
 */

/** What the language knows about an animal. */
export interface Animal {
  readonly name: string;
  readonly plural: string;
  readonly sound: string;
  readonly eats: string;
  readonly lives: string;
  readonly young: string;
  readonly legs: number;
  /** A rank for comparisons; animals of neighbouring ranks are never compared. */
  readonly size: number;
  readonly manner: string;
}

function animal(
  name: string,
  plural: string,
  sound: string,
  eats: string,
  lives: string,
  young: string,
  legs: number,
  size: number,
  manner: string,
): Animal {
  return { name, plural, sound, eats, lives, young, legs, size, manner };
}

/** Every animal of the language. */
export const ANIMALS: readonly Animal[] = [
  animal("cow", "cows", "moo", "grass", "on a farm", "calf", 4, 12, "calm"),
  animal("horse", "horses", "neigh", "hay", "in a stable", "foal", 4, 12, "strong"),
  animal("donkey", "donkeys", "hee-haw", "straw", "in a barn", "foal", 4, 11, "stubborn"),
  animal("pig", "pigs", "oink", "corn", "in a sty", "piglet", 4, 9, "clever"),
  animal("sheep", "sheep", "baa", "grass", "in a meadow", "lamb", 4, 9, "woolly"),
  animal("goat", "goats", "maa", "leaves", "on a hill", "kid", 4, 9, "curious"),
  animal("dog", "dogs", "woof", "meat", "in a house", "puppy", 4, 7, "loyal"),
  animal("cat", "cats", "meow", "fish", "in a house", "kitten", 4, 5, "quiet"),
  animal("duck", "ducks", "quack", "pond plants", "on a pond", "duckling", 2, 4, "cheerful"),
  animal("hen", "hens", "cluck", "corn", "in a henhouse", "chick", 2, 4, "busy"),
  animal("goose", "geese", "honk", "grass", "by a lake", "gosling", 2, 6, "proud"),
  animal("owl", "owls", "hoot", "mice", "in a hollow tree", "owlet", 2, 4, "wise"),
  animal("crow", "crows", "caw", "seeds", "in a tall tree", "chick", 2, 3, "clever"),
  animal("frog", "frogs", "croak", "flies", "in a pond", "tadpole", 4, 2, "jumpy"),
  animal("bee", "bees", "buzz", "nectar", "in a hive", "larva", 6, 1, "busy"),
  animal("mouse", "mice", "squeak", "seeds", "in a small hole", "pup", 4, 2, "shy"),
  animal("fox", "foxes", "yip", "berries", "in a den", "cub", 4, 6, "clever"),
  animal("wolf", "wolves", "howl", "meat", "in the forest", "pup", 4, 8, "brave"),
  animal("bear", "bears", "growl", "honey", "in a cave", "cub", 4, 12, "strong"),
  animal("lion", "lions", "roar", "meat", "on the plains", "cub", 4, 11, "brave"),
  animal("elephant", "elephants", "toot", "leaves", "on the plains", "calf", 4, 14, "gentle"),
  animal("squirrel", "squirrels", "chirp", "nuts", "in an oak tree", "kit", 4, 3, "quick"),
  animal("hedgehog", "hedgehogs", "snuffle", "beetles", "under a hedge", "hoglet", 4, 3, "shy"),
  animal("otter", "otters", "whistle", "fish", "by a river", "pup", 4, 6, "playful"),
  animal("snake", "snakes", "hiss", "eggs", "in the tall grass", "hatchling", 0, 4, "silent"),
  animal("monkey", "monkeys", "hoo-hoo", "bananas", "in the jungle", "infant", 4, 6, "playful"),
];

/** A person or a story's character, with pronouns. */
export interface Person {
  readonly name: string;
  readonly he: "he" | "she";
  readonly him: "him" | "her";
  readonly his: "his" | "her";
}

function people(names: string, he: "he" | "she"): Person[] {
  return names.split(" ").map((name) =>
    he === "he" ? { name, he, him: "him", his: "his" } : { name, he, him: "her", his: "her" }
  );
}

/** People's names, for word problems and introductions. */
export const PEOPLE: readonly Person[] = [
  ...people("Ben Tom Sam Max Leo Paul Omar Jack", "he"),
  ...people("Anna Mia Ella Rosa Lucy Nora Kate Lina", "she"),
];

/** Characters' names, for stories. */
export const CHARACTERS: readonly Person[] = [
  ...people("Pip Finn Otto Bruno Milo Hugo Toby Rufus", "he"),
  ...people("Ruby Lily Poppy Hazel Daisy Willow Molly Ivy", "she"),
];

/** Colours. */
export const COLOURS: readonly string[] = [
  "red",
  "blue",
  "green",
  "yellow",
  "white",
  "black",
  "brown",
  "orange",
  "purple",
  "pink",
];

/** Fruits, each with its usual colour. */
export const FRUITS: readonly (readonly [string, string])[] = [
  ["banana", "yellow"],
  ["lemon", "yellow"],
  ["cherry", "red"],
  ["strawberry", "red"],
  ["plum", "purple"],
  ["lime", "green"],
];

/** Other things with a colour that everyone agrees on. */
export const COLOURED: readonly (readonly [string, string])[] = [
  ["the sky", "blue"],
  ["the sun", "yellow"],
  ["grass", "green"],
  ["snow", "white"],
  ["milk", "white"],
  ["a carrot", "orange"],
  ["a tomato", "red"],
  ["coal", "black"],
  ["chocolate", "brown"],
  ["a frog", "green"],
];

/** Nouns by group, for lists, categories and odd-one-out questions. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  animals: ["cat", "dog", "fox", "owl", "bear", "horse", "mouse", "goat"],
  fruits: ["apple", "pear", "plum", "banana", "cherry", "lemon"],
  colours: ["red", "blue", "green", "yellow", "white", "brown"],
  tools: ["hammer", "saw", "spade", "rake", "drill", "brush"],
  toys: ["ball", "kite", "doll", "drum", "puppet", "top"],
  vegetables: ["carrot", "onion", "potato", "pea", "bean", "leek"],
};

/** Singular and plural of countable things. */
export const PLURALS: readonly (readonly [string, string])[] = [
  ["apple", "apples"],
  ["pear", "pears"],
  ["shell", "shells"],
  ["button", "buttons"],
  ["stone", "stones"],
  ["coin", "coins"],
  ["nut", "nuts"],
  ["book", "books"],
  ["cup", "cups"],
  ["box", "boxes"],
  ["dish", "dishes"],
  ["brush", "brushes"],
  ["berry", "berries"],
  ["city", "cities"],
  ["baby", "babies"],
  ["leaf", "leaves"],
  ["knife", "knives"],
  ["child", "children"],
  ["foot", "feet"],
  ["tooth", "teeth"],
  ["man", "men"],
  ["woman", "women"],
  ["star", "stars"],
  ["tree", "trees"],
];

/** Pairs of opposites; each side is asked for. */
export const OPPOSITES: readonly (readonly [string, string])[] = [
  ["hot", "cold"],
  ["big", "small"],
  ["tall", "short"],
  ["fast", "slow"],
  ["happy", "sad"],
  ["day", "night"],
  ["up", "down"],
  ["open", "closed"],
  ["full", "empty"],
  ["hard", "soft"],
  ["light", "dark"],
  ["loud", "quiet"],
  ["old", "young"],
  ["rich", "poor"],
  ["wet", "dry"],
  ["thick", "thin"],
  ["early", "late"],
  ["strong", "weak"],
  ["near", "far"],
  ["true", "false"],
  ["clean", "dirty"],
  ["first", "last"],
];

/** Words that rhyme within their group. */
export const RHYMES: readonly (readonly string[])[] = [
  ["cat", "hat", "mat", "bat"],
  ["moon", "spoon", "soon", "noon"],
  ["star", "car", "far", "jar"],
  ["tree", "bee", "sea", "key"],
  ["night", "light", "bright", "kite"],
  ["rain", "train", "plain", "lane"],
  ["house", "mouse"],
  ["fox", "box", "socks"],
  ["bear", "chair", "pear", "hair"],
  ["boat", "goat", "coat", "note"],
  ["ring", "king", "sing", "wing"],
  ["snow", "slow", "crow", "grow"],
];
