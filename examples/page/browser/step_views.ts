/**
 * From tokens to what is shown of them.
 *
 * @module
 */
import { nextPiece, noPieces, type PieceState } from "@outrider/outrider/decode";
import type { Tokenizer } from "@outrider/outrider/io";
import type { StepView, TokenView } from "./protocol.ts";
import type { RunStep } from "./run.ts";

/** What is shown of a token that ends an answer. */
const END_MARK = "∎";

/** Turns the steps of one text into views of them. */
export interface Viewer {
  /** What a step shows, given the tokens that were drafted for it. */
  view(step: RunStep, drafted: readonly number[]): StepView;
}

/**
 * Views of one text's steps. A token that ends in the middle of a character shows nothing, and the
 * one that completes it shows it; a token that ends the answer shows as a mark.
 */
export function createViewer(tokenizer: Tokenizer): Viewer {
  let pieces = noPieces;
  const textOf = (ids: readonly number[]): string => tokenizer.decode(ids);
  const shown = (from: PieceState, token: number): { state: PieceState; text: string } =>
    tokenizer.endOfTurn.has(token)
      ? { state: from, text: END_MARK }
      : nextPiece(from, token, textOf);
  const viewAll = (
    from: PieceState,
    tokens: readonly number[],
    fateOf: (place: number) => TokenView["fate"],
  ): { state: PieceState; views: TokenView[] } => {
    let state = from;
    const views = tokens.map((token, place) => {
      const piece = shown(state, token);
      state = piece.state;
      return { text: piece.text, fate: fateOf(place) };
    });
    return { state, views };
  };
  return {
    view({ tokens, report }, drafted) {
      const { accepted, emitted } = report;
      const kept = viewAll(pieces, tokens.slice(0, accepted), () => "accepted");
      const fallen = viewAll(kept.state, drafted.slice(accepted), () => "rejected");
      const own = viewAll(kept.state, tokens.slice(accepted), () => "bonus");
      pieces = own.state;
      const views = [...kept.views, ...fallen.views, ...own.views];
      return { tokens: views, drafted: report.drafted, accepted, emitted };
    },
  };
}
