/** The page's colours can be told apart from their ground, in daylight and in the dark. */
import { assertEquals } from "@std/assert";

const css = await Deno.readTextFile(new URL("../../examples/page/style.css", import.meta.url));

/** The colours that a block of rules names. */
function coloursIn(block: string): ReadonlyMap<string, string> {
  const entries = block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g);
  return new Map(Array.from(entries, ([, name, colour]) => [name, colour]));
}

const [light, dark] = css.split("@media (prefers-color-scheme: dark)").map((part) =>
  coloursIn(part.slice(0, part.indexOf("\n}")))
);
const SCHEMES = { light, dark: new Map([...light, ...dark]) };

function colourOf(colours: ReadonlyMap<string, string>, name: string): string {
  const colour = colours.get(name);
  if (colour !== undefined) return colour;
  throw new Error(`the page has no colour ${name}`);
}

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [brighter, darker] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (brighter + 0.05) / (darker + 0.05);
}

/** Pairs of ink and ground, and the least contrast that WCAG's level AA asks of them. */
const PAIRS: readonly (readonly [string, string, number])[] = [
  ...["ground", "surface", "line", "accepted", "bonus", "rejected"]
    .map((ground) => ["text", ground, 4.5] as const),
  ...["ground", "surface"].flatMap((ground) => [
    ["soft", ground, 4.5] as const,
    ["bad", ground, 4.5] as const,
    ["accepted-line", ground, 4.5] as const,
    ["bonus-line", ground, 3] as const,
    ["rejected-line", ground, 3] as const,
    ["focus", ground, 3] as const,
  ]),
  ["action-text", "action", 4.5],
  ...["accepted", "bonus", "rejected"].map((name) => [`${name}-line`, name, 3] as const),
];

Deno.test("text and marks have the contrast of WCAG AA in both colour schemes", () => {
  const weak = Object.entries(SCHEMES).flatMap(([scheme, colours]) =>
    PAIRS.flatMap(([ink, ground, least]) => {
      const found = contrast(colourOf(colours, ink), colourOf(colours, ground));
      return found < least ? [`${scheme}: ${ink} on ${ground} has ${found.toFixed(2)}`] : [];
    })
  );
  assertEquals(weak, []);
});

Deno.test("contrast is that of black on white and of the standard's own example", () => {
  assertEquals(contrast("#ffffff", "#000000"), 21);
  assertEquals(contrast("#777777", "#ffffff").toFixed(2), "4.48");
});
