/**
 * Trees of drafted tokens: read in one pass, judged along one path.
 *
 * @module
 */

export { type TreeLanguageModel, type TreeRow } from "./tree_model.ts";
