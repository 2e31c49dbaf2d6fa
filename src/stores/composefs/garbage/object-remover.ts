import { objectIdOf } from '#formats/fsverity';
import { Dir } from '#host';
import { OBJECTS } from '../layout.ts';

/** Objects in one step. */
const STEP_OBJECTS = 128;

/** The objects that one thread removes: plain data. The descriptor belongs to the caller. */
export interface Removal {
  readonly rootFd: number;
  readonly label: string;
  readonly digestBytes: number;
  /** Digests of all objects to remove, concatenated. */
  readonly digests: SharedArrayBuffer;
  /** Numbers of the digests that this thread removes, in order. */
  readonly order: Uint32Array;
  /** Number of objects that all threads have processed, 32 bits. */
  readonly done: SharedArrayBuffer;
}

/** Number and size of removed objects. */
export interface Removed {
  readonly objects: number;
  readonly bytes: number;
}

/** Removes objects through open fan-out directories, and counts. */
export class ObjectRemover implements Disposable {
  readonly #root: Dir;
  readonly #removal: Removal;
  /** Undefined for a missing directory. */
  readonly #dirs = new Map<string, Dir | undefined>();
  #next = 0;
  #objects = 0;
  #bytes = 0;

  constructor(removal: Removal) {
    this.#root = new Dir(removal.rootFd, removal.label);
    this.#removal = removal;
  }

  /** An object that is already gone is not counted. */
  get removed(): Removed {
    return { objects: this.#objects, bytes: this.#bytes };
  }

  /** Removes a number of objects; false if none is left. @throws HostError SYSCALL_FAILED */
  step(): boolean {
    const { order, digests, digestBytes, done } = this.#removal;
    const numbers = order.subarray(this.#next, this.#next + STEP_OBJECTS);
    for (const number of numbers) {
      this.#remove(objectIdOf(new Uint8Array(digests, number * digestBytes, digestBytes)));
    }
    this.#next += numbers.length;
    Atomics.add(new Int32Array(done), 0, numbers.length);
    return this.#next < order.length;
  }

  [Symbol.dispose](): void {
    for (const dir of this.#dirs.values()) dir?.[Symbol.dispose]();
    this.#dirs.clear();
  }

  #remove(id: string): void {
    const dir = this.#dirOf(id.slice(0, 2));
    const name = id.slice(2);
    const sizeBytes = dir?.fileSizeOf(name);
    if (sizeBytes === undefined || dir?.unlink(name) !== true) return;
    this.#objects += 1;
    this.#bytes += sizeBytes;
  }

  #dirOf(fanOut: string): Dir | undefined {
    if (!this.#dirs.has(fanOut)) {
      const path = `${OBJECTS}/${fanOut}`;
      this.#dirs.set(fanOut, this.#root.tryOpenDir(path, { noFollow: true }));
    }
    return this.#dirs.get(fanOut);
  }
}
