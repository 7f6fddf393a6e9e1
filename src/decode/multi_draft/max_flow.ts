/**
 * Maximum flow through a small network, in f64.
 *
 * @module
 */

/** An edge with what it can carry, 0 or more. */
export interface FlowEdge {
  readonly from: number;
  readonly to: number;
  readonly capacity: number;
}

/** An edge's remaining capacity in one direction; `back` is the same edge in the other. */
interface Arc {
  readonly to: number;
  readonly back: number;
  left: number;
}

/**
 * A maximum flow from `source` to `sink`: what each edge carries, in the order of the edges.
 *
 * Dinic 1970: shortest augmenting paths, of which there are at most nodes times edges whatever the
 * capacities are; an augmented path's narrowest edge is left with 0 exactly.
 */
export function maximumFlow(
  nodes: number,
  edges: readonly FlowEdge[],
  source: number,
  sink: number,
): Float64Array {
  const arcs: Arc[] = edges.flatMap(({ from, to, capacity }, i) => [
    { to, back: 2 * i + 1, left: capacity },
    { to: from, back: 2 * i, left: 0 },
  ]);
  const leaving = Array.from({ length: nodes }, (): number[] => []);
  edges.forEach(({ from, to }, i) => {
    leaving[from].push(2 * i);
    leaving[to].push(2 * i + 1);
  });
  while (true) {
    const level = levels(arcs, leaving, source);
    if (level[sink] < 0) break;
    const next = new Int32Array(nodes);
    while (augment({ arcs, leaving, level, next, sink }, source, Infinity) > 0);
  }
  return Float64Array.from(edges, (_, i) => arcs[2 * i + 1].left);
}

/** Each node's distance from the source over arcs with capacity left; -1 where there is none. */
function levels(
  arcs: readonly Arc[],
  leaving: readonly (readonly number[])[],
  source: number,
): Int32Array {
  const level = new Int32Array(leaving.length).fill(-1);
  level[source] = 0;
  const queue = [source];
  for (const node of queue) {
    for (const i of leaving[node]) {
      const { to, left } = arcs[i];
      if (left > 0 && level[to] < 0) {
        level[to] = level[node] + 1;
        queue.push(to);
      }
    }
  }
  return level;
}

interface Search {
  readonly arcs: readonly Arc[];
  readonly leaving: readonly (readonly number[])[];
  readonly level: Int32Array;
  /** The first arc of each node that may still lead on. */
  readonly next: Int32Array;
  readonly sink: number;
}

/** Sends flow down one shortest path and gives how much; 0 where no path is left. */
function augment(search: Search, node: number, most: number): number {
  const { arcs, leaving, level, next, sink } = search;
  if (node === sink) return most;
  for (; next[node] < leaving[node].length; next[node]++) {
    const arc = arcs[leaving[node][next[node]]];
    if (!(arc.left > 0) || level[arc.to] !== level[node] + 1) continue;
    const sent = augment(search, arc.to, Math.min(most, arc.left));
    if (sent > 0) {
      arc.left -= sent;
      arcs[arc.back].left += sent;
      return sent;
    }
  }
  return 0;
}
