import type { ObjectId } from '#base/digest';
import { VerityBatch } from '#formats/fsverity';
import { closeFd, type Dir, openBlockHash, readSome } from '#host';
import { repositoryPath } from '../names/links.ts';
import type { StoreContext } from '../repository/context.ts';
import { digestMismatch } from './object-writer.ts';

/** Size of the buffer for contents, in bytes: they are still in the second-level cache when they are hashed. */
const ARENA_BYTES = 1 << 20;
/** Largest object that is taken: a larger one fills the lanes of a hash by itself. */
const OBJECT_BYTES_MAX = 256 << 10;
/** Most open files. */
const OBJECTS_MAX = 128;

/** An object of a batch, until `clear`. */
export interface BatchedObject {
  readonly id: ObjectId;
  /** Open for reading. */
  readonly fd: number;
  /** What the caller put before the content, and the content. */
  readonly framed: Uint8Array;
}

/**
 * Small objects of a repository that need not have fs-verity, read and verified together: a hash that takes many messages at a time gets
 * many. Used by one thread.
 */
export class ObjectBatch implements Disposable {
  readonly #root: Dir;
  readonly #verity: VerityBatch;
  readonly #arena = new Uint8Array(ARENA_BYTES);
  readonly #objects: BatchedObject[] = [];
  readonly #contents: Uint8Array[] = [];
  #usedBytes = 0;

  constructor({ root, algorithm }: Pick<StoreContext, 'root' | 'algorithm'>) {
    this.#root = root;
    this.#verity = new VerityBatch(openBlockHash(algorithm));
  }

  /**
   * Reads an object of this size behind `before`. False if it does not fit: too large for a batch, missing, or of another size; `ObjectStore.open`
   * then takes it, or throws its error.
   * @throws HostError SYSCALL_FAILED
   */
  add(id: ObjectId, sizeBytes: number, before: Uint8Array): boolean {
    const start = this.#usedBytes + before.length;
    if (sizeBytes > OBJECT_BYTES_MAX || start + sizeBytes >= ARENA_BYTES) return false;
    const fd = this.#root.tryOpenFd(repositoryPath(id));
    if (fd === undefined) return false;
    // A byte more tells a file that is too long.
    const content = this.#arena.subarray(start, start + sizeBytes);
    const length = readSome(fd, this.#arena.subarray(start, start + sizeBytes + 1));
    if (length !== sizeBytes) {
      closeFd(fd);
      return false;
    }
    this.#arena.set(before, this.#usedBytes);
    const framed = this.#arena.subarray(this.#usedBytes, start + sizeBytes);
    this.#objects.push({ id, fd, framed });
    this.#contents.push(content);
    this.#usedBytes = start + sizeBytes;
    return true;
  }

  /** True if the next object would better go into another batch. */
  get isFull(): boolean {
    return this.#objects.length === OBJECTS_MAX || this.#usedBytes > ARENA_BYTES - OBJECT_BYTES_MAX;
  }

  /** The objects in the order of `add`. @throws IntegrityError OBJECT_DIGEST_MISMATCH */
  verified(): readonly BatchedObject[] {
    const found = this.#verity.idsOf(this.#contents);
    for (const [at, { id }] of this.#objects.entries()) {
      if (found[at] !== id) throw digestMismatch(id, found[at] as ObjectId);
    }
    return this.#objects;
  }

  /** Closes the objects and forgets them. */
  clear(): void {
    for (const { fd } of this.#objects) closeFd(fd);
    this.#objects.length = 0;
    this.#contents.length = 0;
    this.#usedBytes = 0;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
