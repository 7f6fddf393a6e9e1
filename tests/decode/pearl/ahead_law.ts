/** Exact laws of PEARL's iterations, by summing over every draft and every region of the coins. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  acceptProbability,
  type AheadText,
  type DraftedToken,
  judgedTokens,
  pearlTransition,
  type Probs,
  residual,
  type TokenId,
} from "../../../src/decode/mod.ts";
import { type Distribution, jointProbability, sequences } from "../enumeration.ts";

/** Both models, and where their contexts end. */
export interface AheadPair {
  readonly target: Distribution;
  readonly draft: Distribution;
  readonly vocabulary: number;
  readonly gamma: number;
  /** Rows of the target's context. */
  readonly context: number;
  /** Rows of the draft's context. */
  readonly draftContext: number;
}

/** A text that can come about, and how probable it is. */
export interface Outcome {
  readonly state: AheadText;
  readonly mass: number;
}

/** Texts by their tokens and pending tokens. */
export type Outcomes = ReadonlyMap<string, Outcome>;

/** The one text that everything begins with. */
export function beginning(text: readonly TokenId[]): Outcomes {
  return new Map([["", { state: { text, pending: [] }, mass: 1 }]]);
}

const tokensOf = (drafted: readonly DraftedToken[]): TokenId[] => drafted.map(({ token }) => token);

/** A coin that makes the inverse CDF give a token. */
function coinOf(probs: Probs, token: TokenId): number {
  const below = probs.slice(0, token).reduce((sum, value) => sum + value, 0);
  return Math.min(1 - 2 ** -53, below + probs[token] / 2);
}

/** Every way that an iteration can go from a state with one drafted block. */
function* branches(
  { target }: AheadPair,
  state: AheadText,
  drafted: readonly DraftedToken[],
  rows: number,
): Generator<Outcome> {
  const judged = judgedTokens(state, drafted, rows);
  const text = [...state.text, ...tokensOf(judged)];
  const places = Array.from(
    { length: rows },
    (_, place) => target(text.slice(0, state.text.length + place)),
  );
  let standing = 1;
  const accept: number[] = [];
  for (let place = 0; place < rows; place++) {
    const draft = judged.at(place);
    const accepts = draft === undefined
      ? 0
      : acceptProbability(places[place], draft.probs, draft.token);
    const law = draft === undefined ? places[place] : residual(places[place], draft.probs);
    const stops = standing * (1 - accepts);
    for (let next = 0; stops > 0 && next < law.length; next++) {
      if (law[next] === 0) continue;
      const coins = {
        accept: [...accept, (1 + accepts) / 2, ...Array(rows).fill(0)],
        sample: Array(rows).fill(coinOf(law, next)),
      };
      const step = pearlTransition(state, drafted, places, coins);
      const emitted = [...tokensOf(judged).slice(0, place), next];
      assertEquals(step.emitted, emitted);
      assertEquals(step.keep, state.text.length + place);
      assertEquals(step.state, { text: [...state.text, ...emitted], pending: [] });
      yield { state: step.state, mass: stops * law[next] };
    }
    standing *= accepts;
    accept.push(accepts / 2);
  }
  if (standing === 0) return;
  const step = pearlTransition(state, drafted, places, { accept, sample: Array(rows).fill(0.5) });
  assertEquals(step.emitted, tokensOf(judged), "no token comes on top where all stand");
  assertEquals(step.keep, undefined);
  assertEquals([...step.state.text, ...tokensOf(step.state.pending)], [
    ...state.text,
    ...tokensOf(state.pending),
    ...tokensOf(drafted),
  ]);
  yield { state: step.state, mass: standing };
}

/** What an iteration makes of all texts; full ones stay as they are. */
export function iterate(pair: AheadPair, before: Outcomes): Outcomes {
  const { draft, vocabulary, gamma, context, draftContext } = pair;
  const after = new Map<string, Outcome>();
  const add = ({ state, mass }: Outcome): void => {
    const name = `${state.text.join(" ")} | ${tokensOf(state.pending).join(" ")}`;
    after.set(name, { state, mass: mass + (after.get(name)?.mass ?? 0) });
  };
  for (const { state, mass } of before.values()) {
    if (state.text.length > context) {
      assertEquals([state.text.length, state.pending.length], [context + 1, 0]);
      add({ state, mass });
      continue;
    }
    const seen = [...state.text, ...tokensOf(state.pending)];
    const room = context + 1 - seen.length;
    const count = Math.max(0, Math.min(gamma, room, draftContext + 1 - seen.length));
    for (const tokens of sequences(vocabulary, count)) {
      const drawn = jointProbability(draft, seen, tokens);
      if (drawn === 0) continue;
      const drafted = tokens.map((token, i) => ({
        token,
        probs: draft([...seen, ...tokens.slice(0, i)]),
      }));
      const rows = state.pending.length + (room > 0 ? 1 : 0);
      for (const branch of branches(pair, state, drafted, rows)) {
        add({ state: branch.state, mass: mass * drawn * branch.mass });
      }
    }
  }
  return after;
}

/** Continues every text by the target and compares with the target's own joint law. */
export function assertTargetLaw(
  { target, vocabulary }: AheadPair,
  prompt: readonly TokenId[],
  outcomes: Outcomes,
): void {
  const byText = new Map<string, number>();
  let longest = 0;
  for (const { state: { text }, mass } of outcomes.values()) {
    const emitted = text.slice(prompt.length);
    longest = Math.max(longest, emitted.length);
    byText.set(emitted.join(" "), mass + (byText.get(emitted.join(" ")) ?? 0));
  }
  for (const tokens of sequences(vocabulary, longest)) {
    let found = 0;
    for (let length = 0; length <= longest; length++) {
      const mass = byText.get(tokens.slice(0, length).join(" ")) ?? 0;
      if (mass === 0) continue;
      const text = [...prompt, ...tokens.slice(0, length)];
      found += mass * jointProbability(target, text, tokens.slice(length));
    }
    assertAlmostEquals(found, jointProbability(target, prompt, tokens), 1e-12);
  }
}

/** What is pending must be as the draft draws it: no verdict may have looked at it. */
export function assertPendingLaw({ draft }: AheadPair, outcomes: Outcomes): void {
  const all = [...outcomes.values()];
  const groupOf = ({ state: { text, pending } }: Outcome): string =>
    `${pending.length}: ${text.join(" ")}`;
  const sums = new Map<string, number>();
  for (const outcome of all) {
    sums.set(groupOf(outcome), outcome.mass + (sums.get(groupOf(outcome)) ?? 0));
  }
  for (const outcome of all) {
    const { state: { text, pending }, mass } = outcome;
    const drawn = jointProbability(draft, text, tokensOf(pending));
    assertAlmostEquals(mass, drawn * (sums.get(groupOf(outcome)) ?? 0), 1e-12);
  }
}
