import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { OperationOptions } from '#base/flow';
import type { Dir } from '#host';
import type { Garbage } from './gc-sweep.ts';
import { OBJECTS } from './layout.ts';

/** Objects between two looks at the signal. */
const PART_OBJECTS = 128;

/**
 * Removes objects; says how many were there, and their bytes. One thread does it: the kernel frees the files behind it in threads of its
 * own, and two that unlink wait for each other, on XFS up to twice as long as one takes.
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function removeObjects(
  root: Dir,
  { garbage, inodes }: Garbage,
  { signal, onProgress }: OperationOptions,
): Promise<{ objectsRemoved: number; objectsBytes: number }> {
  const id = 'gc:remove';
  const total = garbage.size;
  onProgress?.({ type: 'started', id, unit: 'items', total });
  using remover = new ObjectRemover(root);
  // The filesystem frees inodes and their lists in blocks of many: each block is best changed once.
  const order = Uint32Array.from(inodes.keys()).sort(
    (a, b) => (inodes[a] as number) - (inodes[b] as number),
  );
  for (let start = 0; start < total; start += PART_OBJECTS) {
    const part = order.subarray(start, start + PART_OBJECTS);
    for (const number of part) remover.remove(garbage.idAt(number));
    onProgress?.({ type: 'advanced', id, done: start + part.length, total });
    await yieldToEvents();
    signal?.throwIfAborted();
  }
  const { objectsRemoved, objectsBytes } = remover;
  onProgress?.({ type: 'done', id, transferred: objectsRemoved });
  return { objectsRemoved, objectsBytes };
}

/** Removes objects through open fan-out directories, and counts. */
class ObjectRemover implements Disposable {
  objectsRemoved = 0;
  objectsBytes = 0;
  readonly #root: Dir;
  /** Undefined for a directory that is missing. */
  readonly #dirs = new Map<string, Dir | undefined>();

  constructor(root: Dir) {
    this.#root = root;
  }

  /** One that is gone already is not counted. @throws HostError SYSCALL_FAILED */
  remove(id: string): void {
    const dir = this.#dirOf(id.slice(0, 2));
    const name = id.slice(2);
    const sizeBytes = dir?.fileSizeOf(name);
    if (sizeBytes === undefined || dir?.unlink(name) !== true) return;
    this.objectsRemoved += 1;
    this.objectsBytes += sizeBytes;
  }

  [Symbol.dispose](): void {
    for (const dir of this.#dirs.values()) dir?.[Symbol.dispose]();
    this.#dirs.clear();
  }

  #dirOf(fanOut: string): Dir | undefined {
    if (!this.#dirs.has(fanOut)) {
      const path = `${OBJECTS}/${fanOut}`;
      this.#dirs.set(fanOut, this.#root.tryOpenDir(path, { noFollow: true }));
    }
    return this.#dirs.get(fanOut);
  }
}
