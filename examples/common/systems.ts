/**
 * The systems that `evaluate --systems` compares: a table of what each needs and how it decodes.
 *
 * @module
 */
import type { ArmSetting, DraftIdentity, MeasuredSystem } from "@outrider/outrider/evaluate";
import { type AnyDecoder, decoderOf, type DecoderOptions, type LoadedDraft } from "./decoding.ts";
import {
  blockTreeDecoder,
  drawnTreeDecoder,
  multiDraftDecoder,
  pearlDecoder,
  type SystemDecoding,
} from "./system_decoders.ts";
import { bestChain, PAPER_LOSSES, type SystemDraft } from "./system_drafts.ts";
import type { SystemParts } from "./system_parts.ts";

/** A target as commands name it, and how many of its tokens a drafter should know. */
export interface CommandTarget {
  readonly name: string;
  readonly draftable: number;
}

/** How systems are measured. */
export interface SystemSettings {
  /** Lengths of chains. */
  readonly gamma: readonly (number | "auto")[];
  /** The rule of chains. */
  readonly verify: "block" | "token";
}

/** One way to measure a system. */
export interface PlannedArm extends ArmSetting {
  readonly draft: DraftIdentity;
  /** The setting in words. */
  readonly setting: string;
  readonly decoder: (decoding: SystemDecoding) => Promise<AnyDecoder> | AnyDecoder;
}

/** One entry of the table. */
export interface System extends Omit<MeasuredSystem, "arms"> {
  /** Why it is nothing of its own under greedy decoding; left out where it is. */
  readonly onlySampled?: string;
  /** What it has to be given, in words, and the commands that make it for a target. */
  readonly needs?: {
    readonly what: string;
    readonly commands: (target: CommandTarget) => readonly string[];
  };
  /** Its arms; undefined where what it needs was not given. */
  readonly arms: (
    parts: SystemParts,
    settings: SystemSettings,
  ) => readonly PlannedArm[] | undefined;
}

/** Nodes of a tree of a block drafter. */
const TREE_NODES = 16;
/** Drafts at each place of each level of a sampled tree: two paths. */
const PATHS = [2, 1];
const PATH_NODES = 4;

const NOTHING: LoadedDraft = { kind: "none", size: 0 };
const NONE: DraftIdentity = { name: "none", kind: "none", fingerprint: "", sizeRatio: 0 };
const LOOKUP: DraftIdentity = { name: "lookup", kind: "lookup", fingerprint: "", sizeRatio: 0 };

/** A chain of drafts as all commands decode with it, by so many tokens. */
function chainArm(
  { target }: SystemParts,
  { identity, loaded }: { readonly identity: DraftIdentity; readonly loaded: LoadedDraft },
  setting: Pick<DecoderOptions, "gamma" | "verify">,
): PlannedArm {
  const { gamma } = setting;
  return {
    draft: identity,
    ...setting,
    setting: gamma === 0 ? "" : `gamma ${gamma}`,
    decoder: (decoding) => decoderOf(target, loaded, { ...setting, ...decoding }),
  };
}

const IN_TURNS = {
  drafts: "chains",
  models: "in turns",
  sampled: "law",
} as const;

const plain: System = {
  ...IN_TURNS,
  title: "AR (plain)",
  draftPasses: 0,
  sampled: "tokens",
  arms: (parts, { verify }) => [
    chainArm(parts, { identity: NONE, loaded: NOTHING }, { gamma: 0, verify }),
  ],
};

const lookup: System = {
  ...IN_TURNS,
  title: "prompt lookup",
  draftPasses: 0,
  arms: (parts, { gamma, verify }) =>
    gamma.map((length) => {
      const draft = { identity: LOOKUP, loaded: { kind: "lookup", size: 0 } } as const;
      return chainArm(parts, draft, { gamma: length, verify });
    }),
};

/** The commands that finetune a draft model with a loss. */
function finetuning(loss: string): (target: CommandTarget) => readonly string[] {
  return ({ name }) => [
    `deno task pretrain --target ${name} --out out/pretrain`,
    `deno task distill --target ${name} --out out/distill`,
    `deno task finetune --target ${name} --draft out/pretrain/draft.gguf ` +
    `--set out/distill --loss ${loss} --out out/${loss}`,
  ];
}

/** The commands that train a drafter of several places. */
function placesTraining(kind: "block" | "ctc"): (target: CommandTarget) => readonly string[] {
  return ({ name, draftable }) => [
    `deno task distill --target ${name} --teacher-tokens 64 --taps spread --out out/distill`,
    `deno task ${kind}-draft --target ${name} --set out/distill --keep-tokens ${draftable} ` +
    `--out out/${kind}`,
  ];
}

/** A draft model by its name: of the paper's, the loss that trained it. */
export function chainSystem(name: string): System {
  const isPaper = PAPER_LOSSES.includes(name);
  return {
    ...IN_TURNS,
    title: isPaper ? `the paper's drafter, ${name.toUpperCase()}` : `the draft ${name}`,
    draftPasses: "per token",
    needs: { what: `--draft ${name}=FILE`, commands: finetuning(name) },
    arms: (parts, { gamma, verify }) => {
      const draft = parts.drafts.chains.get(name);
      return draft && gamma.map((length) => chainArm(parts, draft, { gamma: length, verify }));
    },
  };
}

const ANY_CHAIN = { what: "a draft model", commands: finetuning("tvd++") };

const lookupChain: System = {
  ...IN_TURNS,
  title: "prompt lookup, else a draft",
  draftPasses: "per token",
  needs: ANY_CHAIN,
  arms: (parts, { gamma, verify }) => {
    const chain = bestChain(parts.drafts);
    if (chain === undefined) return undefined;
    const { identity, loaded } = chain;
    const draft = {
      identity: { ...identity, name: `lookup+${identity.name}`, kind: "lookup+model" },
      loaded: { ...loaded, behind: "lookup" },
    } as const;
    return gamma.map((length) => chainArm(parts, draft, { gamma: length, verify }));
  },
};

const pearl: System = {
  ...IN_TURNS,
  title: "PEARL",
  draftPasses: "per token",
  models: "at once",
  needs: ANY_CHAIN,
  arms: (parts) => {
    const draft = bestChain(parts.drafts);
    return draft && [{
      draft: draft.identity,
      gamma: "auto",
      verify: "pearl",
      setting: `${draft.identity.name}, gamma by time ratio`,
      decoder: (decoding) => pearlDecoder(parts, draft, decoding),
    }];
  },
};

const multiDraft: System = {
  ...IN_TURNS,
  title: "multi-draft",
  drafts: "trees",
  draftPasses: PATHS.length,
  onlySampled: "where one token is possible, several drafts of a place are one: a chain",
  needs: ANY_CHAIN,
  arms: (parts) => {
    const draft = bestChain(parts.drafts);
    return draft && [{
      draft: draft.identity,
      gamma: PATH_NODES,
      verify: "multi-draft",
      setting: `${draft.identity.name}, 2 paths of 2`,
      decoder: (decoding) => multiDraftDecoder(parts, draft, PATHS, decoding),
    }];
  },
};

/** Sizes of trees where chains have these lengths. */
function treeSizes(gamma: readonly (number | "auto")[]): readonly (number | "auto")[] {
  return [...new Set(gamma.map((length) => length === "auto" ? length : TREE_NODES))];
}

function treeSetting(nodes: number | "auto"): ArmSetting & Pick<PlannedArm, "setting"> {
  const setting = nodes === "auto" ? "as many nodes as pay" : `${nodes} nodes`;
  return { gamma: nodes, verify: "tree", setting };
}

const ctc: System = {
  ...IN_TURNS,
  title: "CTC",
  drafts: "trees",
  draftPasses: 1,
  sampled: "tokens",
  needs: { what: "a CTC drafter by --draft", commands: placesTraining("ctc") },
  arms: (parts, { gamma }) => {
    const draft = parts.drafts.ctc;
    return draft && treeSizes(gamma).map((nodes) => ({
      ...chainArm(parts, draft, { gamma: nodes, verify: "block" }),
      ...treeSetting(nodes),
    }));
  },
};

const BLOCK = { what: "a block drafter by --draft", commands: placesTraining("block") };

const dflash: System = {
  ...IN_TURNS,
  title: "DFlash",
  draftPasses: 1,
  needs: BLOCK,
  arms: (parts, { gamma, verify }) => {
    const draft: SystemDraft<"block"> | undefined = parts.drafts.block;
    if (draft === undefined) return undefined;
    const { block } = draft.loaded.config;
    const lengths = new Set(gamma.map((length) => length === "auto" ? length : block));
    return [...lengths].map((length) => chainArm(parts, draft, { gamma: length, verify }));
  },
};

const ddtree: System = {
  ...IN_TURNS,
  title: "DFlash + DDTree",
  drafts: "trees",
  draftPasses: 1,
  sampled: "tokens",
  needs: BLOCK,
  arms: (parts, { gamma }) => {
    const { block } = parts.drafts;
    return block && treeSizes(gamma).map((nodes) => ({
      draft: block.identity,
      ...treeSetting(nodes),
      decoder: (decoding) => blockTreeDecoder(parts, block, nodes, decoding),
    }));
  },
};

const drawnTree: System = {
  ...IN_TURNS,
  title: "DFlash + drawn tree",
  drafts: "trees",
  draftPasses: 1,
  onlySampled: "greedy, no draft is drawn: it is DFlash + DDTree",
  needs: BLOCK,
  arms: (parts) => {
    const { block } = parts.drafts;
    return block && [{
      draft: block.identity,
      gamma: TREE_NODES,
      verify: "drawn tree",
      setting: `${TREE_NODES} nodes`,
      decoder: (decoding) => drawnTreeDecoder(parts, block, TREE_NODES, decoding),
    }];
  },
};

/** All systems by the name that `--systems` knows them by, in the order of reports. */
export const SYSTEMS: ReadonlyMap<string, System> = new Map([
  ["plain", plain],
  ["lookup", lookup],
  ...PAPER_LOSSES.map((loss): [string, System] => [loss, chainSystem(loss)]),
  ["lookup-chain", lookupChain],
  ["pearl", pearl],
  ["ctc", ctc],
  ["multi-draft", multiDraft],
  ["dflash", dflash],
  ["ddtree", ddtree],
  ["drawn-tree", drawnTree],
]);
