import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { OperationOptions } from '#base/flow';
import { Dir, startWorker } from '#host';
import type { SweptObject } from './gc-sweep.ts';
import { OBJECTS } from './layout.ts';

/** Plain data: which objects to remove. Two threads may share one; they begin at either end. */
export interface Removal {
  readonly objectsFd: number;
  /** Ids one behind the other, in order: one long string passes to a thread at no cost. */
  readonly ids: string;
  readonly idLength: number;
  /** Whether threads report how far they are. */
  readonly reports: boolean;
  /** One int32: how many parts are taken, counted atomically. */
  readonly taken: SharedArrayBuffer;
}

/** Fewer objects are removed by one thread: starting another costs more. */
const THREAD_OBJECTS_MIN = 4000;
/**
 * Inodes whose numbers are this far apart lie in different regions of the disk. Two threads in one region (an allocation group of XFS)
 * wait for each other at its lists of inodes, and take twice as long as one alone. Source: measured on Linux 6.18.
 */
const REGION_INODES = 2 ** 20;

/** Removes objects; says how many were there, and their bytes. @throws HostError SYSCALL_FAILED; the signal's reason */
export async function removeObjects(
  root: Dir,
  objects: readonly SweptObject[],
  { signal, onProgress }: OperationOptions,
): Promise<{ objectsRemoved: number; objectsBytes: number }> {
  const id = 'gc:remove';
  const total = objects.length;
  onProgress?.({ type: 'started', id, unit: 'items', total });
  let done = 0;
  const onAdvance = (count: number) => {
    done += count;
    onProgress?.({ type: 'advanced', id, done, total });
  };
  using dir = total === 0 ? undefined : root.tryOpenDir(OBJECTS);
  // The filesystem frees inodes and their lists in blocks of many: each block is best changed once.
  const ordered = objects.toSorted((a, b) => a.inode - b.inode);
  const removal = {
    objectsFd: dir?.fd ?? -1,
    ids: ordered.map((object) => object.id).join(''),
    idLength: ordered[0]?.id.length ?? 1,
    reports: onProgress !== undefined,
    taken: new SharedArrayBuffer(4),
  };
  const threads = total >= THREAD_OBJECTS_MIN && areApart(ordered) ? 2 : 1;
  const missing =
    dir === undefined ? [] : await removeInThreads(removal, threads, onAdvance, signal);
  const sizes = ordered.map(({ sizeBytes }) => sizeBytes);
  for (const index of missing) sizes[index] = 0;
  const objectsRemoved = total - missing.length;
  onProgress?.({ type: 'done', id, transferred: objectsRemoved });
  return { objectsRemoved, objectsBytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** True when a boundary of regions lies in the middle half of objects that are in order of their inodes. */
function areApart(ordered: readonly SweptObject[]): boolean {
  const quarter = ordered.length >>> 2;
  let before = ordered[quarter]?.inode ?? 0;
  for (let index = quarter + 1; index < ordered.length - quarter; index += 1) {
    const inode = ordered[index]?.inode ?? before;
    if (inode - before >= REGION_INODES) return true;
    before = inode;
  }
  return false;
}

/** Removes objects here, and in a second thread beside; returns the numbers of those that were gone already. */
async function removeInThreads(
  removal: Removal,
  threads: 1 | 2,
  onMessage: (objects: number) => void,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const module = new URL('./gc-worker.ts', import.meta.url);
  const other =
    threads === 2
      ? startWorker<Removal, never, number, readonly number[]>(module, removal, {
          onMessage,
          signal,
        })
      : undefined;
  try {
    using remover = new ObjectRemover(removal, 'first');
    for (let count = remover.step(); count !== undefined; count = remover.step()) {
      onMessage(count);
      await yieldToEvents();
      signal?.throwIfAborted();
    }
    return [...remover.missing, ...((await other?.done) ?? [])];
  } finally {
    // The other thread must be gone before the lock and the directory are given back.
    other?.cancel();
    await Promise.allSettled([other?.done]);
    await other?.[Symbol.asyncDispose]();
  }
}

/** Objects in a part: few enough that two threads end together, and that one can be cancelled in between. */
const PART_OBJECTS = 128;

/** Removes objects, one part at a time, from the first or from the last. */
export class ObjectRemover implements Disposable {
  /** Numbers of objects that were gone already. */
  readonly missing: number[] = [];
  readonly #removal: Removal;
  readonly #from: 'first' | 'last';
  /** The descriptor belongs to the repository, so this handle is never disposed. */
  readonly #objects: Dir;
  readonly #taken: Int32Array;
  /** Open fan-out directories; undefined for one that is missing. */
  readonly #dirs = new Map<string, Dir | undefined>();
  #steps = 0;

  constructor(removal: Removal, from: 'first' | 'last') {
    this.#removal = removal;
    this.#from = from;
    this.#objects = new Dir(removal.objectsFd, OBJECTS);
    this.#taken = new Int32Array(removal.taken);
  }

  /** Removes the next part and returns how many objects it has; undefined when all are taken. @throws HostError SYSCALL_FAILED */
  step(): number | undefined {
    const { ids, idLength } = this.#removal;
    const count = ids.length / idLength;
    const parts = Math.ceil(count / PART_OBJECTS);
    if (Atomics.add(this.#taken, 0, 1) >= parts) return undefined;
    const part = this.#from === 'first' ? this.#steps : parts - 1 - this.#steps;
    this.#steps += 1;
    const start = part * PART_OBJECTS;
    const end = Math.min(start + PART_OBJECTS, count);
    for (let index = start; index < end; index += 1) {
      const at = index * idLength;
      const dir = this.#dirOf(ids.slice(at, at + 2));
      if (dir?.unlink(ids.slice(at + 2, at + idLength)) !== true) this.missing.push(index);
    }
    return end - start;
  }

  [Symbol.dispose](): void {
    for (const dir of this.#dirs.values()) dir?.[Symbol.dispose]();
    this.#dirs.clear();
  }

  #dirOf(fanOut: string): Dir | undefined {
    if (!this.#dirs.has(fanOut)) {
      this.#dirs.set(fanOut, this.#objects.tryOpenDir(fanOut, { noFollow: true }));
    }
    return this.#dirs.get(fanOut);
  }
}
