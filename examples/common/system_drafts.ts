/**
 * The drafts of an evaluation of systems: those that are named, and those that come with the package.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { type DraftFileKind, knownDrafts } from "@outrider/outrider/io";
import {
  type DraftSource,
  type DraftSpec,
  type NamedDraft,
  openDraft,
} from "./evaluation_drafts.ts";
import type { LoadedDraft } from "./decoding.ts";

/** Drafts of one kind as the records know them. */
export interface SystemDraft<Kind extends LoadedDraft["kind"]>
  extends Pick<NamedDraft, "identity"> {
  readonly loaded: LoadedDraft & { readonly kind: Kind };
  /** The path that it was loaded from. */
  readonly path: string;
}

/** What systems can draft with. */
export interface SystemDrafts {
  /** Draft models by name. */
  readonly chains: ReadonlyMap<string, SystemDraft<"model">>;
  /** A drafter of blocks. */
  readonly block: SystemDraft<"block"> | undefined;
  /** A CTC drafter. */
  readonly ctc: SystemDraft<"ctc"> | undefined;
}

/** The losses of the paper; a draft model of such a name is its drafter. */
export const PAPER_LOSSES: readonly string[] = ["kld", "tvd", "tvd++"];
/** What may come with the package, and as what: all draft models in it are trained with TVD++. */
const SHIPPED = [["model", "tvd++"], ["block", "block"], ["ctc", "ctc"]] as const;

type OpenedDraft = NamedDraft & { readonly path: string };

/**
 * Opens what is named, and of the drafts that come with the package those that nothing named replaces.
 *
 * @throws OutriderError where a draft cannot be one of a system's
 */
export async function openSystemDrafts(
  specs: readonly DraftSpec[],
  source: DraftSource,
): Promise<SystemDrafts> {
  const given: OpenedDraft[] = [];
  for (const spec of specs) {
    given.push({ ...await openDraft(spec, source), path: spec.model });
  }
  const named = byKind(given);
  const shipped: OpenedDraft[] = [];
  for (const [kind, name] of SHIPPED) {
    const isReplaced = kind === "model" ? named.chains.has(name) : named[kind] !== undefined;
    const path = isReplaced ? undefined : await shippedDraft(kind, source);
    if (path === undefined) continue;
    shipped.push({ ...await openDraft({ name, model: path }, source), path });
  }
  return byKind([...given, ...shipped]);
}

/** The path of the draft of a kind that the package has for this target. */
async function shippedDraft(
  kind: DraftFileKind,
  { target: { file } }: DraftSource,
): Promise<string | undefined> {
  const { hash } = file.tokenizer;
  const serving = (await knownDrafts())
    .filter((draft) => draft.tokenizerHash === hash && draft.kind === kind);
  return (serving.find(({ preferred }) => preferred) ?? serving.at(0))?.path;
}

/** Drafts by kind. */
function byKind(drafts: readonly OpenedDraft[]): SystemDrafts {
  const chains = new Map<string, SystemDraft<"model">>();
  const blocks: SystemDraft<"block">[] = [];
  const ctcs: SystemDraft<"ctc">[] = [];
  for (const { identity, loaded, path } of drafts) {
    if (loaded.kind === "model") chains.set(identity.name, { identity, loaded, path });
    else if (loaded.kind === "block") blocks.push({ identity, loaded, path });
    else if (loaded.kind === "ctc") ctcs.push({ identity, loaded, path });
    else {
      throw new OutriderError(
        "drafts with weights beside --systems",
        `--draft ${path}`,
        "prompt lookup and plain decoding are systems of their own",
      );
    }
  }
  return { chains, block: only("block", blocks), ctc: only("CTC", ctcs) };
}

function only<Draft extends Pick<NamedDraft, "identity">>(
  kind: string,
  drafts: readonly Draft[],
): Draft | undefined {
  if (drafts.length < 2) return drafts.at(0);
  const names = drafts.map(({ identity }) => identity.name).join(", ");
  throw new OutriderError(`one ${kind} drafter at most`, names, "compare others without --systems");
}

/** The draft model of systems that need any: the last of the paper's losses that there is, or another. */
export function bestChain({ chains }: SystemDrafts): SystemDraft<"model"> | undefined {
  // The target's own layers are no model that could run beside it.
  const models = [...chains.values()].filter(({ identity }) => identity.kind === "model");
  const found = PAPER_LOSSES.map((loss) => models.find(({ identity }) => identity.name === loss));
  return found.findLast((draft) => draft !== undefined) ?? models.at(0);
}
