/**
 * Outrider trains small draft models aligned to a chat model and decodes with them, losslessly.
 *
 * This entry carries what most programs start from; every module has an entry of its own.
 *
 * @module
 */
export * from "./src/core/errors.ts";
export * from "./src/core/random.ts";
