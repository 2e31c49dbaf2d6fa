import type { ObjectId } from '#base/digest';
import { VerityHasher } from '#formats/fsverity';
import type { ObjectStore, StagedObject } from '#stores/composefs';
import type { Batch, PendingFile } from './batch.ts';
import { BATCH_BYTES } from './batch-layout.ts';
import type { BatchPool } from './batch-pool.ts';

/**
 * An object that is too large for one batch, or whose size is not known in advance. Any free writer writes and hashes a segment; the
 * digests of the blocks give the id here. The pool holds the descriptor until the object is published.
 */
export class LargeObject {
  /** Known after `onDone`. */
  readonly file: PendingFile;
  readonly #pool: BatchPool;
  readonly #staged: StagedObject;
  readonly #segments: Batch[] = [];
  readonly #onDone: () => void;
  #current: Batch | undefined;
  #sizeBytes = 0;
  #running = 0;
  #ended = false;

  /** @param onDone called when the object is published and `file` has its id */
  constructor(pool: BatchPool, objects: ObjectStore, onDone: () => void = () => {}) {
    this.#pool = pool;
    this.#staged = objects.stage();
    pool.hold(this.#staged);
    this.#onDone = onDone;
    this.file = { id: undefined, sizeBytes: 0, wasPresent: false, wasReflinked: false };
  }

  /** Appends bytes; takes one batch for each 1 MiB or part of it, so call `ready` first. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      this.#current ??= this.#openSegment();
      const room = BATCH_BYTES - this.#current.usedBytes;
      const part = bytes.subarray(at, at + room);
      this.#current.append(part);
      at += part.length;
      this.#sizeBytes += part.length;
      if (this.#current.usedBytes === BATCH_BYTES) this.#submit(this.#current);
    }
  }

  /** There are no more bytes. */
  end(): void {
    this.#ended = true;
    if (this.#current !== undefined) this.#submit(this.#current);
    else if (this.#running === 0) this.#publish();
  }

  #openSegment(): Batch {
    const batch = this.#pool.take();
    batch.becomeSegment(this.#staged.fd, this.#sizeBytes);
    return batch;
  }

  #submit(batch: Batch): void {
    this.#current = undefined;
    this.#segments.push(batch);
    this.#running += 1;
    this.#pool.submit(batch, () => {
      this.#running -= 1;
      if (this.#ended && this.#running === 0) this.#publish();
    });
  }

  #publish(): void {
    const hasher = new VerityHasher(this.#pool.algorithm);
    for (const segment of this.#segments) hasher.updateHashed(segment.digests, segment.usedBytes);
    const id: ObjectId = hasher.finish();
    this.file.wasPresent = this.#staged.publish(id).method === 'present';
    this.file.sizeBytes = this.#sizeBytes;
    this.file.id = id;
    this.#pool.release(this.#staged);
    this.#onDone();
  }
}
