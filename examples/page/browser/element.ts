/**
 * Elements of the page: those that are there, and new ones.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";

/** The element of this kind with this id. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new OutriderError(`a ${kind.name} with the id ${id}`, "none", "build the page again");
}

/** A new element with attributes and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
