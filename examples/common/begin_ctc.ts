/**
 * First weights of a CTC drafter that another drafter has learnt already.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { type DenseHostTensor, hostTensor } from "@outrider/outrider/core";
import { openBlockDraftFile } from "@outrider/outrider/io";
import {
  type BlockDrafterConfig,
  buildCtcDrafter,
  type CtcDrafterParameters,
  type TrimmedVocabulary,
} from "@outrider/outrider/nn";

/** What a drafter must have in common with the one that is to be trained. */
interface CtcSizes {
  readonly config: BlockDrafterConfig;
  readonly vocabulary: TrimmedVocabulary;
}

/** How sizes and tokens read when they are compared; model files keep fractions in 32 bits. */
function textOf({ config, vocabulary }: CtcSizes): string {
  const sizes = Object.entries(config)
    .map(([name, size]) => `${name} ${typeof size === "number" ? Math.fround(size) : size}`)
    .toSorted();
  return `${sizes.join(", ")}, ${vocabulary.tokenIds.length} tokens`;
}

/**
 * The weights of a block or CTC drafter of the same sizes; a block drafter has no blank, so that
 * `first` gives it.
 *
 * @throws OutriderError where it has other sizes or drafts other tokens
 */
export async function beginWith(
  path: string,
  sizes: CtcSizes,
  first: CtcDrafterParameters<DenseHostTensor>,
): Promise<CtcDrafterParameters<DenseHostTensor>> {
  const file = await openBlockDraftFile(path);
  try {
    const isSame = textOf(file) === textOf(sizes) &&
      file.vocabulary.tokenIds.every((token, i) => token === sizes.vocabulary.tokenIds[i]);
    if (!isSame) {
      throw new OutriderError(
        `a drafter of ${textOf(sizes)}`,
        `${textOf(file)} in ${path}`,
        "choose its sizes and tokens, or begin with another",
      );
    }
    const known = new Map<string, Float32Array>();
    for (const [name, tensor] of file.tensors) known.set(name, await tensor.readFloat32());
    return buildCtcDrafter(sizes.config, ({ name, shape }) => {
      const values = known.get(name);
      return values === undefined ? first.blank : hostTensor(values, shape);
    });
  } finally {
    file.close();
  }
}
