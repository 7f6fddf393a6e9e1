/**
 * What the page and its worker say to each other.
 *
 * @module
 */
import type { DecodingMetrics } from "@outrider/outrider/evaluate";
import type { ChatMessage, WeightType } from "@outrider/outrider/io";

/** Where to compute. */
export type BackendName = "webgpu" | "wasm";

/** The two decoders that answer side by side. */
export type Side = "plain" | "speculative";

/** What runs ahead: the draft that is offered for the model, or the text itself. */
export type DraftName = "model" | "lookup";

/** Loads a model; the first message to a worker. */
export interface OpenRequest {
  readonly kind: "open";
  readonly backend: BackendName | "auto";
  /** Most threads of the Wasm backend; where left out, as many as are fastest. */
  readonly threads: number | undefined;
  /** The file that a person chose; the embedded model where there is none. */
  readonly file: File | undefined;
  readonly weights: WeightType;
}

/** How to answer. */
export interface AnswerOptions {
  readonly draft: DraftName;
  /** Tokens to draft per step. */
  readonly gamma: number | "auto";
  readonly temperature: number;
  /** Most tokens to write. */
  readonly maxTokens: number;
  readonly seed: number;
}

/** Answers the last message of a conversation. */
export interface AnswerRequest {
  readonly kind: "answer";
  readonly messages: readonly ChatMessage[];
  readonly options: AnswerOptions;
}

/** Ends the answer that is being written. */
export interface StopRequest {
  readonly kind: "stop";
}

/** What the page asks of the worker. */
export type WorkerRequest = OpenRequest | AnswerRequest | StopRequest;

/** Where a worker computes. */
export interface BackendFacts {
  readonly name: BackendName;
  /** Such as "2 threads". */
  readonly detail: string;
  /** Why this one, as a whole sentence. */
  readonly reason: string;
}

/** What is known of a model or a draft. */
export interface ModelFacts {
  readonly name: string;
  readonly parameters: number;
}

/** What was loaded. */
export interface OpenedFacts {
  readonly backend: BackendFacts;
  readonly model: ModelFacts & { readonly layers: number; readonly contextLength: number };
  /** The draft that is offered for the model; undefined where there is none. */
  readonly draft: ModelFacts | undefined;
}

/** A token as it is shown. */
export interface TokenView {
  readonly text: string;
  /** Who it is from: drafted and stands, drafted and fell, or the target's own. */
  readonly fate: "accepted" | "rejected" | "bonus";
}

/** One target pass as it is shown. */
export interface StepView {
  /** In order of the text; rejected ones before the target's own. */
  readonly tokens: readonly TokenView[];
  readonly drafted: number;
  readonly accepted: number;
  readonly emitted: number;
}

/** The figures of an answer so far. */
export type Figures = Pick<
  DecodingMetrics,
  "tokens" | "targetPasses" | "blockEfficiency" | "acceptance" | "tokensPerSecond"
>;

/** What a decoder has written since the last time. */
export interface Progress {
  readonly kind: "progress";
  readonly side: Side;
  readonly steps: readonly StepView[];
  /** Over the whole answer so far. */
  readonly figures: Figures;
}

/** How the tokens of two texts compare. */
export interface Agreement {
  /** Tokens from the beginning on that are the same. */
  readonly same: number;
  /** Whether one text is the other, or its beginning where the answer was stopped. */
  readonly equal: boolean;
}

/** The end of an answer. */
export interface AnsweredEvent {
  readonly kind: "answered";
  /** Whether both texts came to their end. */
  readonly whole: boolean;
  readonly agreement: Agreement;
  /** What the plain decoder wrote, to go on from. */
  readonly text: string;
}

/** What the worker tells the page. */
export type WorkerEvent =
  | { readonly kind: "busy"; readonly doing: string }
  | { readonly kind: "opened"; readonly facts: OpenedFacts }
  | Progress
  | AnsweredEvent
  | { readonly kind: "failed"; readonly during: "open" | "answer"; readonly line: string };
