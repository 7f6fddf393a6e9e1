/**
 * The parts that stories are put together from: heroes, objects and what the objects are good for.
 *
 * In every sentence `{Hero}` and `{Friend}` are names, `{hero}` and `{friend}` are animals, and the
 * pronouns are `{he}`, `{him}`, `{his}` for the hero and `{she}`, `{her}`, `{hers}` for the friend.
 *
 * @module
 */

/** An object around which a story turns. */
export interface StoryObject {
  readonly name: string;
  /** A sentence that makes it worth having. */
  readonly charm: string;
  /** What goes wrong. */
  readonly trouble: string;
  /** How the object helps. */
  readonly rescue: string;
}

function object(name: string, charm: string, trouble: string, rescue: string): StoryObject {
  return { name, charm, trouble, rescue };
}

/** Every object that a story can be about. */
export const STORY_OBJECTS: readonly StoryObject[] = [
  object(
    "lantern",
    "It shone with a warm light.",
    "{Hero} and {Friend} were in the woods when it grew dark. They could not see the path.",
    "{Hero} held up the lantern, and its light showed them the way home.",
  ),
  object(
    "kite",
    "It danced in the wind.",
    "{Friend} walked too far and got lost behind the hills.",
    "{Hero} let the kite fly high. {Friend} saw it in the sky and ran back to {him}.",
  ),
  object(
    "drum",
    "It went boom, boom, boom.",
    "a thick fog came down and {Friend} could not find the way.",
    "{Hero} beat the drum. {Friend} heard it and followed the sound.",
  ),
  object(
    "bell",
    "It rang with a clear sound.",
    "{Friend} fell asleep in a boat and floated away.",
    "{Hero} rang the bell. {Friend} woke up and came back to the shore.",
  ),
  object(
    "map",
    "It showed every hill and river.",
    "{Hero} and {Friend} came to three paths. They did not know which one to take.",
    "{Hero} opened the map and found the right path.",
  ),
  object(
    "boat",
    "It was small, but it did not leak.",
    "the river rose and {Friend} was stuck on an island.",
    "{Hero} took the boat and brought {her} safely home.",
  ),
  object(
    "key",
    "It was old and heavy.",
    "the door of the mill fell shut and {Friend} was locked in.",
    "{Hero} tried the key. The lock went click, and {Friend} was free.",
  ),
  object(
    "rope",
    "It was long and strong.",
    "{Friend} fell into a deep hole and could not get out.",
    "{Hero} let down the rope, and {Friend} climbed up.",
  ),
  object(
    "umbrella",
    "It was as big as a tent.",
    "{Hero} and {Friend} were having a picnic when it began to rain.",
    "{Hero} opened the umbrella, and they finished their cake under it.",
  ),
  object(
    "blanket",
    "It was soft and warm.",
    "a cold wind blew and {Friend} could not stop shaking.",
    "{Hero} put the blanket around {her}, and soon {she} was warm.",
  ),
  object(
    "basket",
    "It was made of thin branches.",
    "{Friend} picked so many apples that {she} could not carry them.",
    "{Hero} brought the basket, and together they carried all the apples home.",
  ),
  object(
    "ladder",
    "It had ten steps.",
    "{Friend} climbed a tall tree and was afraid to come down.",
    "{Hero} put the ladder against the tree, and {Friend} came down step by step.",
  ),
  object(
    "whistle",
    "It was louder than any bird.",
    "{Friend} went to pick berries and did not come back.",
    "{Hero} blew the whistle. {Friend} heard it and came out of the bushes.",
  ),
  object(
    "flute",
    "It had a sweet sound.",
    "{Friend} was so sad that {she} did not want to play.",
    "{Hero} played a song on the flute, and {Friend} began to dance.",
  ),
  object(
    "book",
    "It was full of stories.",
    "it began to rain and {Friend} did not know what to do.",
    "{Hero} opened the book and read to {her}, and soon the rain was forgotten.",
  ),
  object(
    "scarf",
    "It was very long.",
    "it began to snow and {Friend} had nothing warm to wear.",
    "{Hero} put one end of the scarf around {her}, and both of them were warm.",
  ),
  object(
    "candle",
    "It could burn for a whole night.",
    "{Friend} was all alone in a dark room and very afraid.",
    "{Hero} lit the candle, and the dark was not scary any more.",
  ),
  object(
    "ball",
    "It could jump very high.",
    "{Friend} was bored and had nobody to play with.",
    "{Hero} rolled the ball to {her}, and they played until evening.",
  ),
  object(
    "brush",
    "It could paint a straight line.",
    "{Friend} looked at the grey wall of the house and sighed.",
    "{Hero} took the brush and painted flowers on the wall.",
  ),
  object(
    "spade",
    "It was good for digging.",
    "{Friend} lost a ring in the sand and began to cry.",
    "{Hero} dug with the spade until the ring came to light.",
  ),
];

/** The animals that can be heroes and friends: each is in the small world's list of animals. */
export const STORY_ANIMALS: readonly string[] = [
  "fox",
  "bear",
  "mouse",
  "owl",
  "frog",
  "hedgehog",
  "squirrel",
  "otter",
  "duck",
  "goat",
  "cat",
  "dog",
  "wolf",
  "horse",
  "pig",
  "monkey",
];

/** What heroes are like. */
export const MANNERS: readonly string[] = [
  "little",
  "young",
  "kind",
  "brave",
  "clever",
  "shy",
  "cheerful",
  "curious",
];

/** What friends are like. */
export const FRIEND_MANNERS: readonly string[] = [
  "old",
  "funny",
  "quiet",
  "friendly",
  "wise",
  "busy",
];

/** Where heroes live. */
export const HOMES: readonly string[] = [
  "near a quiet lake",
  "under an old oak tree",
  "at the edge of the forest",
  "by the sea",
  "behind a green hill",
  "in a small house by the river",
  "next to a windmill",
  "in a valley full of flowers",
];

/** Where lost things are looked for; the third of a draw is where they are found. */
export const SEARCH_PLACES: readonly string[] = [
  "under the bed",
  "behind the door",
  "in the garden",
  "by the well",
  "in the tall grass",
  "under a bush",
  "beside the bridge",
  "on the roof",
];

/** When the turn of a story happens. */
export const TIMES: readonly string[] = [
  "One evening",
  "One day",
  "One morning",
  "The next day",
  "Later that year",
  "One autumn day",
];

/** How the object came to the hero. */
export const ARRIVALS: readonly string[] = [
  "{He} had a {colour} {object} that {he} loved very much. {charm}",
  "For {his} birthday, {Hero} got a {colour} {object}. {charm}",
  "One summer, {he} found a {colour} {object} {place}. {charm}",
  "{His} grandmother gave {him} a {colour} {object}. {charm}",
];

/** Where objects are found. */
export const FINDING_PLACES: readonly string[] = [
  "on the beach",
  "in the attic",
  "at the market",
  "under a bridge",
  "beside the road",
  "in an old box",
];

/** First sentences. */
export const OPENINGS: readonly string[] = [
  "Once upon a time, a {manner} {hero} named {Hero} lived {home}.",
  "There was once a {manner} {hero} called {Hero}. {He} lived {home}.",
  "Long ago, a {manner} {hero} named {Hero} lived {home}.",
  "Far away, {home}, there lived a {manner} {hero}. {His} name was {Hero}.",
];

/** Endings after a rescue. */
export const RESCUE_ENDINGS: readonly string[] = [
  '"Thank you, {Hero}!" said {Friend}. From that day on, they were the best of friends.',
  '"You are a true friend," said {Friend}. {Hero} smiled and felt very proud.',
  '{Friend} was so glad that {she} gave {Hero} a hug. "That is what friends are for," said {Hero}.',
  "That night, {Hero} thought of {Friend} and the {object} and slept very well.",
];

/** Endings after a lost object has been found. */
export const FOUND_ENDINGS: readonly string[] = [
  '"Thank you, {Friend}!" said {Hero}. {He} never lost the {object} again.',
  '{Hero} was so happy that {he} laughed. "Now it belongs to both of us," {he} said to {Friend}.',
  "{Hero} hugged {Friend}, and they walked home together.",
  "Then {Hero} knew that a good friend is worth more than a(n) {object}.",
];

/** Endings after sharing. */
export const SHARING_ENDINGS: readonly string[] = [
  "So they shared the {object}, and it was twice as much fun.",
  "From then on, {Friend} had the {object} in the morning and {Hero} had it in the evening.",
  'They both laughed. "Sharing is better than fighting," said {Friend}.',
];
