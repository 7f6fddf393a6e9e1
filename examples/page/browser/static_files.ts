/**
 * Files that lie beside the page.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";

/** Gets a file by its path within the page's folder. */
export async function fetchFile(path: string): Promise<Blob> {
  const answer = await fetch(new URL(path, self.location.href)).catch((error) => {
    throw new OutriderError(`the file ${path}`, String(error), "check that the server is running");
  });
  if (answer.ok) return await answer.blob();
  const found = `status ${answer.status}`;
  throw new OutriderError(`the file ${path} beside the page`, found, "build the page again");
}
