/**
 * Records of an evaluation: one text of one draft each, in counts. Reports are functions of them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, keyOf } from "../core/random.ts";
import { parseJson } from "../data/records.ts";
import type { TokenId } from "../decode/language_model.ts";
import type { Tally } from "./tally.ts";

/**
 * What runs ahead: a model of its own, a drafter of blocks or of alignments inside the target, the
 * target's first layers, the text itself, that in front of a model, or nothing.
 */
export type DraftKind = "model" | "block" | "ctc" | "self" | "lookup" | "lookup+model" | "none";

/** A draft as the report knows it. */
export interface DraftIdentity {
  /** Its name; `loss@steps` places it on the curve of a loss. */
  readonly name: string;
  /** What runs ahead. */
  readonly kind: DraftKind;
  /** Tells a changed draft of the same name apart; empty where there is nothing to change. */
  readonly fingerprint: string;
  /** c: its size over the target's, or its share of the parameters read; 0 without weights. */
  readonly sizeRatio: number;
}

/** How drafts are used: what, beside the draft, makes an arm of the evaluation. */
export interface ArmSetting {
  /** Tokens drafted per step; `auto` chooses by measured costs. */
  readonly gamma: number | "auto";
  /** The verification rule's name. */
  readonly verify: string;
}

/** How tokens are chosen: the same for all arms that are compared. */
export interface DecodingIdentity {
  /** Its name, such as `T=0.6, top-p 0.9`. */
  readonly name: string;
  /** Whether the text is determined, so that all texts of a prompt must be equal. */
  readonly greedy: boolean;
}

/** A set of prompts. */
export interface TaskIdentity {
  /** Its name. */
  readonly name: string;
  /** Whether drafts were trained for other texts than these. */
  readonly outOfDistribution: boolean;
}

/** One text. */
export interface EvaluationRecord {
  /** The task. */
  readonly task: TaskIdentity;
  /** The prompt's place among the task's. */
  readonly prompt: number;
  /** Digest of the prompt's tokens. */
  readonly promptDigest: string;
  /** How tokens were chosen. */
  readonly decoding: DecodingIdentity;
  /** The draft and how it was used; none for plain decoding. */
  readonly arm?: ArmSetting & { readonly draft: DraftIdentity };
  /** Texts of a prompt that were written one after another have the same number, from 1 on. */
  readonly visit: number;
  /** Digest of the text's tokens. */
  readonly digest: string;
  /** What the steps did. */
  readonly tally: Tally;
}

/** What all records of a file share; another run may only add to them if it agrees. */
export interface EvaluationHead {
  /** The target's name. */
  readonly target: string;
  /** Hash of its tokenizer. */
  readonly tokenizer: string;
  /** How its weights are kept. */
  readonly dtype: string;
  /** How its keys and values are kept. */
  readonly cache: string;
  /** Most tokens of a text. */
  readonly maxTokens: number;
  /** What prompts and coins are drawn from. */
  readonly seed: number;
}

/**
 * A short name for tokens: equal for equal tokens, different for others but for a chance of 2^-64.
 *
 * @example
 * ```ts
 * import { digestOf } from "@outrider/outrider/evaluate";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * assertEquals(digestOf([1, 2]).length, 16);
 * assertNotEquals(digestOf([1, 2]), digestOf([2, 1]));
 * ```
 */
export function digestOf(tokens: readonly TokenId[]): string {
  const key = tokens.reduce((before, token) => foldIn(before, token), keyOf(tokens.length));
  return key.map((word) => word.toString(16).padStart(8, "0")).join("");
}

/** The arm's name within a prompt and decoding; empty for plain decoding. */
export function armName(arm: EvaluationRecord["arm"]): string {
  return arm === undefined ? "" : JSON.stringify([arm.draft.name, arm.gamma, arm.verify]);
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const isText = (value: unknown): boolean => typeof value === "string";
const isCounts = (value: unknown): boolean => Array.isArray(value) && value.every(isCount);

function isTally(value: unknown): boolean {
  if (!isObject(value) || !isObject(value.seconds)) return false;
  const { seconds } = value;
  return ["tokens", "passes", "drafted", "accepted", "judged"].every((name) =>
    isCount(value[name])
  ) &&
    ["long", "reached", "stood"].every((name) => isCounts(value[name])) &&
    ["prefill", "draft", "target", "verify", "host"].every((name) =>
      Number.isFinite(seconds[name])
    );
}

function isArm(value: unknown): boolean {
  if (value === undefined) return true;
  if (!isObject(value) || !isObject(value.draft)) return false;
  const { name, kind, fingerprint, sizeRatio } = value.draft;
  const kinds: readonly unknown[] = [
    "model",
    "block",
    "ctc",
    "self",
    "lookup",
    "lookup+model",
    "none",
  ];
  return isText(name) && kinds.includes(kind) && isText(fingerprint) &&
    Number.isFinite(sizeRatio) && (value.gamma === "auto" || isCount(value.gamma)) &&
    isText(value.verify);
}

function isRecord(value: unknown): value is EvaluationRecord {
  if (!isObject(value) || !isObject(value.task) || !isObject(value.decoding)) return false;
  const { task, decoding } = value;
  return isText(task.name) && typeof task.outOfDistribution === "boolean" &&
    isText(decoding.name) && typeof decoding.greedy === "boolean" &&
    isCount(value.prompt) && isCount(value.visit) && isText(value.promptDigest) &&
    isText(value.digest) && isTally(value.tally) && isArm(value.arm);
}

/**
 * Reads one line of recorded results.
 *
 * @throws OutriderError where it is not a record
 */
export function parseEvaluationRecord(line: string, where: string): EvaluationRecord {
  const value = parseJson(line, where);
  if (isRecord(value)) return value;
  throw damagedLine(line, where);
}

/**
 * Reads the first line of recorded results.
 *
 * @throws OutriderError where it is not what {@link EvaluationHead} says
 */
export function parseEvaluationHead(line: string, where: string): EvaluationHead {
  const value = parseJson(line, where);
  if (isHead(value)) return value;
  throw damagedLine(line, where);
}

function isHead(value: unknown): value is EvaluationHead {
  return isObject(value) &&
    ["target", "tokenizer", "dtype", "cache"].every((name) => isText(value[name])) &&
    isCount(value.maxTokens) && Number.isSafeInteger(value.seed);
}

function damagedLine(line: string, where: string): OutriderError {
  return new OutriderError(
    `results of an evaluation in ${where}`,
    line.slice(0, 60),
    "name another folder by --out",
  );
}
