/**
 * What systems decode with: the target as each of them needs it, made when it is first needed.
 *
 * @module
 */
import type { CommandContext } from "@outrider/outrider/cli";
import type { LanguageModel, WorkerCache } from "@outrider/outrider/decode";
import type { WeightType } from "@outrider/outrider/io";
import { openDevice } from "./device.ts";
import { loadDraftModel, type LoadedDraftModel } from "./drafts.ts";
import type { RememberingTarget } from "./models.ts";
import type { SystemDraft, SystemDrafts } from "./system_drafts.ts";
import { openWorkerModel } from "./worker_models.ts";

/** A target and a draft model that can run at the same time. */
export interface ConcurrentModels {
  readonly target: LanguageModel<WorkerCache>;
  readonly draft: LoadedDraftModel;
}

/** What systems are made of. */
export interface SystemParts {
  readonly drafts: SystemDrafts;
  readonly target: RememberingTarget;
  /** The target in a worker of its own and the draft model on a thread of this one. */
  atOnce(draft: SystemDraft<"model">): Promise<ConcurrentModels>;
  /** Releases all that was made. */
  close(): void;
}

/** What {@link openSystemParts} takes. */
export interface SystemPartsOptions {
  readonly target: RememberingTarget;
  readonly drafts: SystemDrafts;
  readonly dtype: WeightType;
  /** Threads of plain decoding; one of them is the draft's where both run at once. */
  readonly threads: number;
  readonly context: Pick<CommandContext, "progress">;
}

/** Opens nothing yet. */
export function openSystemParts(options: SystemPartsOptions): SystemParts {
  const { target, drafts } = options;
  const pairs = new Map<string, Promise<ConcurrentModels>>();
  const closing: (() => void)[] = [];
  return {
    drafts,
    target,
    atOnce: (draft) => {
      const known = pairs.get(draft.path) ?? openPair(draft, options, closing);
      pairs.set(draft.path, known);
      return known;
    },
    close: () => {
      for (const close of closing) close();
    },
  };
}

/** Both models anew, on threads that the other one does not use. */
async function openPair(
  { path }: SystemDraft<"model">,
  { target: { file }, dtype, threads, context }: SystemPartsOptions,
  closing: (() => void)[],
): Promise<ConcurrentModels> {
  const { device } = await openDevice({ backend: "wasm", threads: 1 });
  closing.push(() => device.close());
  const draft = await loadDraftModel(device, path, dtype, file, context);
  const rest = Math.max(1, threads - 1);
  const worker = await openWorkerModel({ path: file.path, dtype, threads: rest });
  closing.push(worker.close);
  return { target: worker.model, draft };
}
