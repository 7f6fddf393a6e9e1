/**
 * Where the rows of a tree lie in a transformer's cache, and where those of a kept path come to.
 *
 * @module
 */
import { type HostTensor, hostTensor } from "../../core/host_tensor.ts";
import { paddedDepth, type Row } from "../llama_passes.ts";
import { depthsOf, pathTo, type TreeRow } from "./tree_model.ts";

/** A tree behind a sequence: row i lies in slot `length + i` and sees the sequence and its path. */
export function treeRows(rows: readonly TreeRow[], length: number): Row[] {
  const depths = depthsOf(rows);
  return rows.map(({ token }, i) => ({
    token,
    position: length + depths[i],
    slot: length + i,
    start: 0,
    end: length,
    extra: pathTo(rows, i).map((place) => length + place),
  }));
}

/** The slots of a path's rows and those that they come to, `[2, padded]`; nothing if they lie there. */
export function movesOf(path: readonly number[], length: number): HostTensor | undefined {
  const first = path.findIndex((place, depth) => place !== depth);
  if (first < 0) return undefined;
  const padded = paddedDepth(path.length - first);
  const moves = new Int32Array(2 * padded).fill(-1);
  path.slice(first).forEach((place, i) => {
    moves[i] = length + place;
    moves[padded + i] = length + first + i;
  });
  return hostTensor(moves, [2, padded]);
}
