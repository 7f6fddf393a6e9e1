/**
 * Trees of drafted tokens: read in one pass, judged along one path.
 *
 * @module
 */

export * from "./automatic_budget.ts";
export * from "./draft_block_samples.ts";
export * from "./draft_block_tree.ts";
export * from "./draft_branches.ts";
export * from "./draft_dynamic_tree.ts";
export * from "./draft_path.ts";
export * from "./draft_samples.ts";
export * from "./likeliest_tree.ts";
export * from "./marginals.ts";
export * from "./measure_tree_costs.ts";
export * from "./multi_draft_speculative.ts";
export * from "./remember_tree_prefix.ts";
export { expectedTokens, type TokenTree, type TreeNode } from "./token_tree.ts";
export { fixedBudget, type TreeBudget, treeBudget, type TreeCosts } from "./tree_budget.ts";
export { type TreeState } from "./tree_decoder.ts";
export * from "./tree_draft.ts";
export { type TreeLanguageModel, type TreeRow } from "./tree_model.ts";
export * from "./tree_speculative.ts";
