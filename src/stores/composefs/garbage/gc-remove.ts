import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { OperationOptions } from '#base/flow';
import { type Dir, type InodeGroups, readInodeGroups, startWorker, type WorkerHandle } from '#host';
import type { Garbage } from './gc-sweep.ts';
import { ObjectRemover, type Removal, type Removed } from './object-remover.ts';

/** How to remove objects. */
export interface RemoveOptions extends OperationOptions {
  /** Number of threads that remove objects, if the filesystem lets them work in parallel (default 1: this thread). */
  readonly workers?: number | undefined;
}

/** Smallest number of objects for another thread: fewer are removed before it has started. */
const PART_OBJECTS_MIN = 4096;

/**
 * Removes objects, and returns their number and size. Threads that unlink in the same group of inodes wait for each other, on XFS more than
 * twice as long as one thread takes, so each thread has its own groups.
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function removeObjects(
  root: Dir,
  { garbage, inodes }: Garbage,
  { signal, onProgress, workers = 1 }: RemoveOptions,
): Promise<{ objectsRemoved: number; objectsBytes: number }> {
  const total = garbage.size;
  if (total === 0) return { objectsRemoved: 0, objectsBytes: 0 };
  const id = 'gc:remove';
  onProgress?.({ type: 'started', id, unit: 'items', total });
  const isMany = total >= 2 * PART_OBJECTS_MIN && workers > 1;
  const [own, ...others] = divide(inodes, isMany ? readInodeGroups(root) : undefined, workers);
  const done = new SharedArrayBuffer(4);
  const shared = {
    rootFd: root.fd,
    label: root.label,
    digestBytes: garbage.digestBytes,
    digests: garbage.shareDigests(),
    done,
  };
  await using team = new Team(
    others.map((order) => ({ ...shared, order })),
    signal,
  );
  using remover = new ObjectRemover({ ...shared, order: own });
  for (let isMore = true; isMore; ) {
    isMore = remover.step();
    const [count = 0] = new Int32Array(done);
    onProgress?.({ type: 'advanced', id, done: count, total });
    await yieldToEvents();
    signal?.throwIfAborted();
  }
  const removed = [remover.removed, ...(await team.finish())];
  const objectsRemoved = removed.reduce((sum, { objects }) => sum + objects, 0);
  onProgress?.({ type: 'done', id, transferred: objectsRemoved });
  return { objectsRemoved, objectsBytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/**
 * Numbers of objects in order of their inodes, for each thread. Whole groups, the largest first, are assigned to the thread with the fewest
 * objects. The first thread gets the rest, and everything if there are no groups.
 */
export function divide(
  inodes: readonly number[],
  groups: InodeGroups | undefined,
  workers: number,
): [Uint32Array, ...Uint32Array[]] {
  // The filesystem stores many inodes in one block, so in this order it changes each block once.
  const order = Uint32Array.from(inodes.keys()).sort(
    (a, b) => (inodes[a] as number) - (inodes[b] as number),
  );
  if (groups === undefined) return [order];
  const runs: Uint32Array[] = [];
  for (let start = 0, end = 0; start < order.length; start = end) {
    const group = groups.of(inodes[order[start] as number] as number);
    while (end < order.length && groups.of(inodes[order[end] as number] as number) === group) end++;
    runs.push(order.subarray(start, end));
  }
  const parts = Array.from({ length: workers }, (): { runs: Uint32Array[]; size: number } => {
    return { runs: [], size: 0 };
  });
  for (const run of runs.toSorted((a, b) => b.length - a.length)) {
    const part = parts.reduce((least, other) => (other.size < least.size ? other : least));
    part.runs.push(run);
    part.size += run.length;
  }
  const [first, ...rest] = parts.sort((a, b) => b.size - a.size);
  const few = rest.filter(({ size }) => size < PART_OBJECTS_MIN);
  const enough = rest.filter(({ size }) => size >= PART_OBJECTS_MIN);
  return [
    joined([...(first?.runs ?? []), ...few.flatMap(({ runs }) => runs)]),
    ...enough.map((part) => joined(part.runs)),
  ];
}

function joined(runs: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(runs.reduce((size, run) => size + run.length, 0));
  let at = 0;
  for (const run of runs) {
    all.set(run, at);
    at += run.length;
  }
  return all;
}

/** The other threads. Disposing ends them. */
class Team implements AsyncDisposable {
  readonly #workers: readonly WorkerHandle<never, Removed>[];

  constructor(removals: readonly Removal[], signal: AbortSignal | undefined) {
    const module = new URL('./gc-worker.ts', import.meta.url);
    this.#workers = removals.map((removal) =>
      startWorker<Removal, never, never, Removed>(module, removal, { signal }),
    );
  }

  /** The totals of the threads, after they have finished. */
  finish(): Promise<readonly Removed[]> {
    return Promise.all(this.#workers.map(({ done }) => done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker[Symbol.asyncDispose]()));
  }
}
