/**
 * Data: the project's own small language, and a tokenizer for it.
 *
 * @module
 */
export * from "./byte_pair_trainer.ts";
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
