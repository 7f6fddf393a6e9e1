/**
 * Numbers as people read them.
 *
 * @module
 */

/** A number of parameters: 1.07 M. */
export function parametersText(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} K`;
  return count < 1e9 ? `${(count / 1e6).toFixed(2)} M` : `${(count / 1e9).toFixed(2)} B`;
}

/** A rate with three digits or so: 12.3, 1,234. */
export function rateText(perSecond: number): string {
  if (perSecond < 100) return perSecond.toFixed(1);
  return Math.round(perSecond).toLocaleString("en");
}

/** A share in per cent. */
export function shareText(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A count with its noun: 1 token, 2 tokens. */
export function countText(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
}
