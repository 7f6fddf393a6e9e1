/**
 * What the two answers of a question say about each other, in a sentence.
 *
 * @module
 */
import { countText } from "./numbers.ts";
import type { AnsweredEvent, Figures } from "./protocol.ts";

/** The verdict, and whether it is as it should be. */
export interface Verdict {
  readonly state: "equal" | "different" | "sampled";
  readonly text: string;
}

/** Whether the texts are equal; above temperature 0 both are draws, and need not be. */
export function textVerdict(
  { whole, agreement: { equal, same } }: AnsweredEvent,
  temperature: number,
): Verdict {
  if (equal) {
    const tokens = countText(same, "token");
    const text = whole ? `Equal texts: ${tokens}.` : `Stopped; equal so far: ${tokens}.`;
    return { state: "equal", text };
  }
  const from = `from token ${same + 1} on`;
  return temperature === 0
    ? { state: "different", text: `Different texts ${from}. This should not happen.` }
    : { state: "sampled", text: `Two draws from the same distribution, different ${from}.` };
}

/** Passes and time of the speculative side over those of the plain one. */
export function speedText(plain: Figures, speculative: Figures): string {
  if (plain.tokensPerSecond === 0 || speculative.tokensPerSecond === 0) return "";
  const passes = countText(speculative.targetPasses, "pass", "passes");
  const ratio = speculative.tokensPerSecond / plain.tokensPerSecond;
  const speed = ratio >= 1
    ? `${ratio.toFixed(2)} times as fast as plain`
    : `at ${ratio.toFixed(2)} of the speed of plain`;
  return `${passes} of the model instead of ${plain.targetPasses}, ${speed}.`;
}
