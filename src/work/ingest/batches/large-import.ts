import type { ByteString } from '#base/bytes';
import { VerityHasher } from '#formats/fsverity';
import type { ObjectStore, StagedObject } from '#stores/composefs';
import type { Batch, PendingFile } from './batch.ts';
import { BATCH_BYTES, type ReflinkPolicy } from './batch-layout.ts';
import type { BatchPool } from './batch-pool.ts';

/** A large file that lies elsewhere. */
export interface LargeSource {
  readonly directoryFd: number;
  readonly path: ByteString;
  readonly sizeBytes: number;
  readonly policy: ReflinkPolicy;
}

/** Takes the bytes of a part and gives its batch back to the pool, in the order of the parts. */
export type PartListener = (part: Batch) => void;

/**
 * A file too large for one batch becomes an object: whichever writer is free reflinks or copies it, then its parts are read and hashed by
 * all. Its descriptor is held by the pool until it is published.
 */
export class LargeImport {
  readonly file: PendingFile;
  readonly #pool: BatchPool;
  readonly #staged: StagedObject;
  readonly #source: LargeSource;
  readonly #hasher: VerityHasher;
  readonly #parts: Batch[] = [];
  #next = 0;

  constructor(pool: BatchPool, objects: ObjectStore, source: LargeSource) {
    this.#pool = pool;
    this.#source = source;
    this.#staged = objects.stage();
    this.#hasher = new VerityHasher(pool.algorithm);
    pool.hold(this.#staged);
    const { sizeBytes } = source;
    this.file = { id: undefined, sizeBytes, wasPresent: false, wasReflinked: false };
  }

  /** Imports it; each part is shown once it and all before it were read. Resolves when the file has its id. @throws as `importFiles` */
  async run(onPart: PartListener): Promise<void> {
    const { sizeBytes } = this.#source;
    await this.#pool.ready(1);
    const clone = this.#pool.take();
    clone.becomeClone(this.#staged.fd, this.#source);
    let isCloned = false;
    this.#pool.submit(clone, () => {
      isCloned = true;
    });
    await this.#pool.until(() => isCloned);
    this.file.wasReflinked = clone.isCloneReflinked;
    for (let offset = 0; offset < sizeBytes; offset += BATCH_BYTES) {
      await this.#pool.ready(1);
      const part = this.#pool.take();
      part.becomeReading(this.#staged.fd, offset, Math.min(BATCH_BYTES, sizeBytes - offset));
      this.#parts.push(part);
      this.#pool.submit(part, () => this.#advance(part, onPart));
    }
    await this.#pool.until(() => this.#next === this.#parts.length);
    const id = this.#hasher.finish();
    this.file.wasPresent = this.#staged.publish(id).method === 'present';
    this.file.id = id;
    this.#pool.release(this.#staged);
  }

  readonly #done = new Set<Batch>();

  #advance(part: Batch, onPart: PartListener): void {
    this.#done.add(part);
    for (;;) {
      const next = this.#parts[this.#next];
      if (next === undefined || !this.#done.delete(next)) return;
      this.#hasher.updateHashed(next.digests, next.usedBytes);
      this.#next += 1;
      onPart(next);
    }
  }
}
