/**
 * `evaluate --systems`: opens drafts and models, and plans what is measured with them.
 *
 * @module
 */
import type { CommandContext } from "@outrider/outrider/cli";
import type { CacheType } from "@outrider/outrider/decode";
import type { WeightType } from "@outrider/outrider/io";
import type { OpenDevice } from "./device.ts";
import type { DraftSpec } from "./evaluation_drafts.ts";
import type { LoadedModel, RememberingTarget } from "./models.ts";
import { openSystemDrafts } from "./system_drafts.ts";
import { openSystemParts } from "./system_parts.ts";
import { planSystems, type SystemsPlan, type SystemsPlanOptions } from "./system_plan.ts";

/** What systems are opened with. */
export interface SystemsSource {
  /** Those that are wanted; undefined for all. */
  readonly names: readonly string[] | undefined;
  readonly specs: readonly DraftSpec[];
  readonly opened: OpenDevice;
  readonly loaded: LoadedModel;
  /** The same, warm. */
  readonly warm: RememberingTarget;
  readonly context: Pick<CommandContext, "progress">;
}

/** The command's options that systems follow. */
export interface SystemsOptions extends Omit<SystemsPlanOptions, "inTurnsOnly" | "verify"> {
  readonly verify: readonly ("block" | "token")[];
  readonly dtype: WeightType;
  readonly cache: CacheType;
}

/** A plan, and what it holds open. */
export interface OpenSystems extends SystemsPlan {
  close(): void;
}

/** Opens what systems need; models that only one of them needs are opened when it begins. */
export async function openSystems(
  { names, specs, opened: { device, threads }, loaded, warm, context }: SystemsSource,
  options: SystemsOptions,
): Promise<OpenSystems> {
  const { dtype, cache } = options;
  const drafts = await openSystemDrafts(specs, { device, dtype, target: loaded, context });
  const parts = openSystemParts({ target: warm, drafts, dtype, threads, context });
  const inTurnsOnly = device.name !== "wasm"
    ? "needs two groups of threads: --backend wasm"
    : cache !== "f32"
    ? "its target keeps f32 keys and values: --cache f32"
    : undefined;
  const [verify] = options.verify;
  return { ...planSystems(names, parts, { ...options, verify, inTurnsOnly }), close: parts.close };
}
