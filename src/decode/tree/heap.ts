/**
 * A binary heap in an array: the greatest comes out first, of equals the one that went in first.
 *
 * @module
 */

/** An entry: its score, and the moment at which it went in. */
export interface Scored {
  readonly score: number;
  readonly order: number;
}

function isAbove(a: Scored, b: Scored): boolean {
  return a.score > b.score || (a.score === b.score && a.order < b.order);
}

/** Puts an entry in, in O(log n). */
export function pushHeap<Entry extends Scored>(heap: Entry[], entry: Entry): void {
  let place = heap.length;
  heap.push(entry);
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (!isAbove(entry, heap[parent])) break;
    heap[place] = heap[parent];
    place = parent;
  }
  heap[place] = entry;
}

/** Takes the greatest entry out, in O(log n); undefined where there is none. */
export function popHeap<Entry extends Scored>(heap: Entry[]): Entry | undefined {
  const top = heap[0];
  const entry = heap.pop();
  if (entry === undefined || heap.length === 0) return entry;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child + 1 < heap.length && isAbove(heap[child + 1], heap[child])) child++;
    if (child >= heap.length || !isAbove(heap[child], entry)) break;
    heap[place] = heap[child];
    place = child;
  }
  heap[place] = entry;
  return top;
}
