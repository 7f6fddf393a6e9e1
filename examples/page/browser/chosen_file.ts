/**
 * Files that a person drops on the page or picks.
 *
 * @module
 */
import { byId } from "./element.ts";

/** Calls back with every file that is dropped anywhere on the page or picked in the form. */
export function onChosenFile(use: (file: File) => void): void {
  const picker = byId("file", HTMLInputElement);
  picker.addEventListener("change", () => {
    const [file] = picker.files ?? [];
    if (file !== undefined) use(file);
  });
  const veil = byId("drop", HTMLElement);
  const show = (isOver: boolean): void => void veil.classList.toggle("over", isOver);
  const holdsFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes("Files") === true;
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    show(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) show(false);
  });
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    show(false);
    const [file] = event.dataTransfer?.files ?? [];
    if (file === undefined) return;
    picker.value = "";
    use(file);
  });
}
