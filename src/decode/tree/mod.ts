/**
 * Trees of drafted tokens: read in one pass, judged along one path.
 *
 * @module
 */

export * from "./likeliest_tree.ts";
export * from "./marginals.ts";
export { expectedTokens, type TokenTree, type TreeNode } from "./token_tree.ts";
export * from "./tree_budget.ts";
export { type TreeLanguageModel, type TreeRow } from "./tree_model.ts";
