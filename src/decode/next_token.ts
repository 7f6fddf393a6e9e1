/**
 * The token after a text, where no draft has to be judged.
 *
 * @module
 */
import {
  type Logits,
  type Pass,
  type Probs,
  sharesOf,
  type TokenId,
  wholeOf,
} from "./language_model.ts";
import { sample, sampleScaled } from "./sample.ts";
import { argmax, probabilities, type Warp } from "./warp.ts";

/** What a pass says of its rows. */
export type PassRows = Omit<Pass<unknown>, "cache">;

/**
 * The token that a warp with `only` leaves of the row at a place of a pass; the likeliest one is looked
 * for only where the model does not say it.
 */
export function onlyToken(
  only: NonNullable<Warp["only"]>,
  { logits, likeliest }: PassRows,
  place: number,
  previous: () => readonly TokenId[],
): TokenId {
  const known = only === argmax ? likeliest?.[place] : undefined;
  return known ?? only(logits[place], previous());
}

/**
 * The probabilities after the row at a place of a pass, `[vocabulary]`, from weights of the device where
 * the warp is a temperature and the model has them.
 */
export function probabilitiesOf(
  warp: Warp,
  pass: PassRows,
  place: number,
  previous: () => readonly TokenId[],
): Probs {
  const weights = weightsOf(warp, pass)?.[place];
  return (weights && sharesOf(weights)) ?? probabilities(warp, pass.logits[place], previous());
}

/** The weights of a pass's rows, where the warp is a temperature and the model has them. */
export function weightsOf(
  { temperature }: Warp,
  { weights }: PassRows,
): readonly Float32Array[] | undefined {
  return temperature === undefined ? undefined : weights?.(temperature);
}

/** {@link nextToken} after the first row of a pass. */
export function nextOfPass(
  warp: Warp,
  pass: PassRows,
  previous: readonly TokenId[],
  coin: () => number,
): TokenId {
  if (warp.only) return onlyToken(warp.only, pass, 0, () => previous);
  const weights = weightsOf(warp, pass)?.[0];
  const sum = weights && wholeOf(weights);
  return weights === undefined || sum === undefined
    ? nextToken(warp, pass.logits[0], previous, coin)
    : sampleScaled(weights.length, sum, (token) => weights[token], coin());
}

/** Draws the next token; `coin` in [0, 1) is asked only where there is a choice. */
export function nextToken(
  warp: Warp,
  logits: Logits,
  previous: readonly TokenId[],
  coin: () => number,
): TokenId {
  if (warp.only) return warp.only(logits, previous);
  return sample(probabilities(warp, logits, previous), coin());
}
