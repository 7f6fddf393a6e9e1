/**
 * Neural networks as pure functions of parameters and rows.
 *
 * @module
 */
export * from "./block_drafter.ts";
export * from "./block_drafter_parameters.ts";
export * from "./class_logits.ts";
export * from "./ctc_drafter.ts";
export * from "./early_exit.ts";
export * from "./llama.ts";
export * from "./llama_config.ts";
export * from "./llama_parameters.ts";
export * from "./rms_norm.ts";
export * from "./rope.ts";
export * from "./tapped_features.ts";
export * from "./trimmed_vocabulary.ts";
