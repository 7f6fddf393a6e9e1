/**
 * The sizes of a Llama-family transformer.
 *
 * @module
 */

/**
 * Which elements of a query or key head rotate together: `half` pairs element i with i + width / 2
 * (Hugging Face checkpoints), `interleaved` pairs 2 i with 2 i + 1 (the original checkpoints, and
 * GGUF files of this family).
 */
export type RopePairing = "half" | "interleaved";

/** The sizes of a Llama-family transformer: RMSNorm, RoPE, grouped-query attention, SwiGLU. */
export interface LlamaConfig {
  /** Number of transformer layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly width: number;
  /** Number of query heads. */
  readonly heads: number;
  /** Number of key and value heads; divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head. */
  readonly headWidth: number;
  /** Width of the feed-forward layer. */
  readonly feedForwardWidth: number;
  /** Number of token ids. */
  readonly vocabulary: number;
  /** Most positions the model was made for. */
  readonly contextLength: number;
  /** Base of the rotation's wavelengths. */
  readonly ropeBase: number;
  /** Which elements rotate together. */
  readonly ropePairing: RopePairing;
  /** Added to the mean square in RMSNorm. */
  readonly rmsNormEpsilon: number;
  /** Whether the head is the embedding's transpose. */
  readonly tiedEmbeddings: boolean;
}
