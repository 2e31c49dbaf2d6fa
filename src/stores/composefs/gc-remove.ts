import { Dir } from '#host';
import { OBJECTS } from './layout.ts';

/** Plain data: which objects to remove. Two threads may share one; each takes the next part that nobody has. */
export interface Removal {
  readonly objectsFd: number;
  /** Ids one behind the other, in order: one long string passes to a thread at no cost. */
  readonly ids: string;
  readonly idLength: number;
  /** Whether threads report how far they are. */
  readonly reports: boolean;
  /** One int32: the number of the next part, taken atomically. */
  readonly next: SharedArrayBuffer;
}

/** Objects in a part: few enough that two threads end together, and that one can be cancelled in between. */
const PART_OBJECTS = 128;

/** Removes objects, one part at a time. */
export class ObjectRemover {
  /** Numbers of objects that were gone already. */
  readonly missing: number[] = [];
  readonly #removal: Removal;
  /** The descriptor belongs to the repository, so this handle is never disposed. */
  readonly #objects: Dir;
  readonly #next: Int32Array;

  constructor(removal: Removal) {
    this.#removal = removal;
    this.#objects = new Dir(removal.objectsFd, OBJECTS);
    this.#next = new Int32Array(removal.next);
  }

  /** Removes the next part and returns how many objects it has; undefined when all are taken. @throws HostError SYSCALL_FAILED */
  step(): number | undefined {
    const { ids, idLength } = this.#removal;
    const first = Atomics.add(this.#next, 0, 1) * PART_OBJECTS;
    const end = Math.min(first + PART_OBJECTS, ids.length / idLength);
    if (first >= end) return undefined;
    for (let start = first; start < end; ) start = this.#removeIn(start, end);
    return end - first;
  }

  /** Removes what lies in the same directory as the object `start`; returns where the next directory begins. */
  #removeIn(start: number, end: number): number {
    const { ids, idLength } = this.#removal;
    const idOf = (index: number) => ids.slice(index * idLength, (index + 1) * idLength);
    const fanOut = idOf(start).slice(0, 2);
    using dir = this.#objects.tryOpenDir(fanOut, { noFollow: true });
    let index = start;
    for (; index < end; index += 1) {
      const id = idOf(index);
      if (!id.startsWith(fanOut)) break;
      if (dir?.unlink(id.slice(2)) !== true) this.missing.push(index);
    }
    return index;
  }
}
