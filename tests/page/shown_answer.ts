/** What holds of answers that the page shows. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ChatPage, ShownAnswer } from "./chat_page.ts";

/** A question that the embedded model knows the answer of. */
export const QUESTION = "What is 45 plus 21?";

/** What holds of every greedy answer that is shown whole. */
export function checkShown(shown: ShownAnswer): void {
  assertEquals(shown.speculative, shown.plain);
  assertMatch(
    shown.verdict,
    /^Equal texts: \d+ tokens?\. \d+ pass(es)? of the model instead of \d+/,
  );
  assertEquals(shown.steps, Number(/(\d+) pass/.exec(shown.verdict)?.[1]));
  const { bonus, accepted } = shown.bars;
  assert(bonus > 0 && bonus <= shown.steps && accepted <= shown.steps, JSON.stringify(shown));
}

/** Checks an answer of the embedded model, drafted by its own draft. */
export async function checkEmbedded(page: ChatPage): Promise<void> {
  const shown = await page.ask(QUESTION);
  checkShown(shown);
  const { accepted, rejected, bonus } = shown.tokens;
  assert(accepted > 10 && rejected > 0 && bonus > 0, JSON.stringify(shown.tokens));
  assert(shown.bars.accepted > 0 && shown.bars.rejected > 0, JSON.stringify(shown.bars));
}
