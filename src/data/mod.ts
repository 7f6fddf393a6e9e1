/**
 * Data: the project's own small language and its tokenizer, corpora, packing, distillation sets.
 *
 * @module
 */
export * from "./byte_pair_trainer.ts";
export * from "./corpus.ts";
export {
  distillationCorpus,
  type DistillationEntry,
  parseDistillationEntry,
} from "./distillation_set.ts";
export * from "./documents.ts";
export * from "./duplicates.ts";
export {
  featurePath,
  type FeatureWriter,
  openFeatureWriter,
  readFeatureLayout,
} from "./feature_folder.ts";
export * from "./feature_rows.ts";
export * from "./feature_taps.ts";
export { type FileLine, readLines } from "./file_lines.ts";
export * from "./filter_counts.ts";
export * from "./http_retry.ts";
export {
  type Conversation,
  conversation,
  document,
  type HeldOutPrompt,
  heldOutPrompts,
  LANGUAGE_KINDS,
  type Message,
  type Split,
  trainingConversations,
} from "./language.ts";
export * from "./join_corpora.ts";
export * from "./packing.ts";
export * from "./record_stream.ts";
export {
  type CorpusRecord,
  parseJson,
  parseRecord,
  type PositionedRecord,
  readRecords,
} from "./records.ts";
export * from "./set_corpus.ts";
export {
  openSetWriter,
  readDistillationEntriesOf,
  type SetWriter,
  teacherLayout,
} from "./set_folder.ts";
export { readManifest, type SetManifest } from "./set_manifest.ts";
export * from "./teacher_rows.ts";
export * from "./remote_teacher.ts";
export * from "./response_filters.ts";
export { openTokenFile, writeTokenFile } from "./token_file.ts";
export { gatherDocuments, type TokenCorpus } from "./token_memory.ts";
