/**
 * The Llama transformer in plain loops and doubles: no cache, no graph, every row computed anew.
 * It shares nothing with the library but the layout of parameters.
 */
import type { LlamaConfig, LlamaLayer, LlamaParameters, RopePairing } from "../../src/nn/mod.ts";

/** Numbers of a row-major matrix. */
type Matrix = Float32Array | Float64Array;

/** Turns one head (or the first `width` numbers from `from` on) by its position, in place. */
export function turnHead(
  row: Float64Array,
  { from, width, position, base, pairing }: {
    readonly from: number;
    readonly width: number;
    readonly position: number;
    readonly base: number;
    readonly pairing: RopePairing;
  },
): void {
  for (let pair = 0; pair < width / 2; pair++) {
    const [i, j] = pairing === "half" ? [pair, pair + width / 2] : [2 * pair, 2 * pair + 1];
    const angle = position / base ** (2 * pair / width);
    const [x, y] = [row[from + i], row[from + j]];
    row[from + i] = x * Math.cos(angle) - y * Math.sin(angle);
    row[from + j] = x * Math.sin(angle) + y * Math.cos(angle);
  }
}

function times(matrix: Matrix, x: Float64Array): Float64Array {
  const out = new Float64Array(matrix.length / x.length);
  for (let row = 0; row < out.length; row++) {
    for (let column = 0; column < x.length; column++) {
      out[row] += matrix[row * x.length + column] * x[column];
    }
  }
  return out;
}

function normed(x: Float64Array, weight: Matrix, epsilon: number): Float64Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const root = Math.sqrt(squares / x.length + epsilon);
  return x.map((value, i) => value / root * weight[i]);
}

function turned(config: LlamaConfig, row: Float64Array, position: number): Float64Array {
  const { headWidth: width, ropeBase: base, ropePairing: pairing } = config;
  for (let from = 0; from < row.length; from += width) {
    turnHead(row, { from, width, position, base, pairing });
  }
  return row;
}

/** What one query row gathers from the key and value rows up to itself. */
function attended(
  config: LlamaConfig,
  query: Float64Array,
  keys: readonly Float64Array[],
  values: readonly Float64Array[],
): Float64Array {
  const { headWidth, heads, keyValueHeads } = config;
  const out = new Float64Array(query.length);
  for (let head = 0; head < heads; head++) {
    const own = head * headWidth;
    const shared = Math.floor(head / (heads / keyValueHeads)) * headWidth;
    const scores = keys.map((key) => {
      let score = 0;
      for (let i = 0; i < headWidth; i++) score += query[own + i] * key[shared + i];
      return score / Math.sqrt(headWidth);
    });
    const largest = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    values.forEach((value, row) => {
      for (let i = 0; i < headWidth; i++) out[own + i] += weights[row] / total * value[shared + i];
    });
  }
  return out;
}

const sum = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]);

function layerOutput(
  config: LlamaConfig,
  layer: LlamaLayer<Matrix>,
  stream: readonly Float64Array[],
): Float64Array[] {
  const inputs = stream.map((x) => normed(x, layer.attentionNorm, config.rmsNormEpsilon));
  const queries = inputs.map((x, position) => turned(config, times(layer.query, x), position));
  const keys = inputs.map((x, position) => turned(config, times(layer.key, x), position));
  const values = inputs.map((x) => times(layer.value, x));
  return stream.map((x, row) => {
    const seen = row + 1;
    const mixed = attended(config, queries[row], keys.slice(0, seen), values.slice(0, seen));
    const middle = sum(x, times(layer.output, mixed));
    const inner = normed(middle, layer.feedForwardNorm, config.rmsNormEpsilon);
    const up = times(layer.up, inner);
    const gated = times(layer.gate, inner).map((g, i) => g / (1 + Math.exp(-g)) * up[i]);
    return sum(middle, times(layer.down, gated));
  });
}

/** The logits after every token of a text that stands alone, one row each. */
export function plainLogits(
  config: LlamaConfig,
  parameters: LlamaParameters<Matrix>,
  tokens: readonly number[],
): Float64Array[] {
  const { width } = config;
  let stream: Float64Array[] = tokens.map((token) =>
    Float64Array.from(parameters.embedding.subarray(token * width, (token + 1) * width))
  );
  for (const layer of parameters.layers) stream = layerOutput(config, layer, stream);
  const head = parameters.head ?? parameters.embedding;
  return stream.map((x) => times(head, normed(x, parameters.finalNorm, config.rmsNormEpsilon)));
}
