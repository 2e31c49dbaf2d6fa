import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { OperationOptions } from '#base/flow';
import { Dir, startWorker } from '#host';
import type { Garbage } from './gc-sweep.ts';
import { OBJECTS } from './layout.ts';

/** Plain data: which objects to remove. Two threads may share one; they begin at either end. */
export interface Removal {
  readonly objectsFd: number;
  /** Digests one behind the other, in the order of removal. */
  readonly digests: SharedArrayBuffer;
  readonly digestBytes: number;
  /** Float64: the size in bytes of each object that was removed; -1 where there was none. */
  readonly sizes: SharedArrayBuffer;
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
  { garbage, inodes }: Garbage,
  { signal, onProgress }: OperationOptions,
): Promise<{ objectsRemoved: number; objectsBytes: number }> {
  const id = 'gc:remove';
  const total = garbage.size;
  onProgress?.({ type: 'started', id, unit: 'items', total });
  let done = 0;
  const onAdvance = (count: number) => {
    done += count;
    onProgress?.({ type: 'advanced', id, done, total });
  };
  using dir = total === 0 ? undefined : root.tryOpenDir(OBJECTS);
  // The filesystem frees inodes and their lists in blocks of many: each block is best changed once.
  const order = Uint32Array.from(inodes.keys()).sort(
    (a, b) => (inodes[a] as number) - (inodes[b] as number),
  );
  const sizes = new SharedArrayBuffer(total * Float64Array.BYTES_PER_ELEMENT);
  const removal = {
    objectsFd: dir?.fd ?? -1,
    digests: garbage.shareDigests(order),
    digestBytes: garbage.digestWords * Uint32Array.BYTES_PER_ELEMENT,
    sizes,
    reports: onProgress !== undefined,
    taken: new SharedArrayBuffer(4),
  };
  const threads = total >= THREAD_OBJECTS_MIN && areApart(order, inodes) ? 2 : 1;
  if (dir !== undefined) await removeInThreads(removal, threads, onAdvance, signal);
  const removed = dir === undefined ? [] : new Float64Array(sizes).filter((size) => size >= 0);
  onProgress?.({ type: 'done', id, transferred: removed.length });
  let objectsBytes = 0;
  for (const size of removed) objectsBytes += size;
  return { objectsRemoved: removed.length, objectsBytes };
}

/** True when a boundary of regions lies in the middle half of objects that are in order of their inodes. */
function areApart(order: Uint32Array, inodes: readonly number[]): boolean {
  const inodeAt = (place: number) => inodes[order[place] ?? 0] ?? 0;
  const quarter = order.length >>> 2;
  let before = inodeAt(quarter);
  for (let place = quarter + 1; place < order.length - quarter; place += 1) {
    const inode = inodeAt(place);
    if (inode - before >= REGION_INODES) return true;
    before = inode;
  }
  return false;
}

/** Removes objects here, and in a second thread beside. */
async function removeInThreads(
  removal: Removal,
  threads: 1 | 2,
  onMessage: (objects: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const module = new URL('./gc-worker.ts', import.meta.url);
  const other =
    threads === 2
      ? startWorker<Removal, never, number, void>(module, removal, {
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
    await other?.done;
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
  readonly #removal: Removal;
  readonly #from: 'first' | 'last';
  /** The descriptor belongs to the repository, so this handle is never disposed. */
  readonly #objects: Dir;
  readonly #taken: Int32Array;
  readonly #sizes: Float64Array;
  /** Open fan-out directories; undefined for one that is missing. */
  readonly #dirs = new Map<string, Dir | undefined>();
  #steps = 0;

  constructor(removal: Removal, from: 'first' | 'last') {
    this.#removal = removal;
    this.#from = from;
    this.#objects = new Dir(removal.objectsFd, OBJECTS);
    this.#taken = new Int32Array(removal.taken);
    this.#sizes = new Float64Array(removal.sizes);
  }

  /** Removes the next part and returns how many objects it has; undefined when all are taken. @throws HostError SYSCALL_FAILED */
  step(): number | undefined {
    const { digests, digestBytes } = this.#removal;
    const count = this.#sizes.length;
    const parts = Math.ceil(count / PART_OBJECTS);
    if (Atomics.add(this.#taken, 0, 1) >= parts) return undefined;
    const number = this.#from === 'first' ? this.#steps : parts - 1 - this.#steps;
    this.#steps += 1;
    const start = number * PART_OBJECTS;
    const end = Math.min(start + PART_OBJECTS, count);
    const part = new Uint8Array(digests, start * digestBytes, (end - start) * digestBytes);
    // Copied out of shared memory, which has no conversion of its own.
    const ids = Buffer.from(part).toString('hex');
    for (let index = start, at = 0; index < end; index += 1, at += digestBytes * 2) {
      const dir = this.#dirOf(ids.slice(at, at + 2));
      const name = ids.slice(at + 2, at + digestBytes * 2);
      const sizeBytes = dir?.fileSizeOf(name);
      const isRemoved = sizeBytes !== undefined && dir?.unlink(name) === true;
      this.#sizes[index] = isRemoved ? sizeBytes : -1;
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
