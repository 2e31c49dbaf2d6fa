import type { ContentHasher } from '#base/digest';
import type { Batch, PendingFile } from './batches/batch.ts';
import type { BatchPool } from './batches/batch-pool.ts';

/** What waits to be hashed. */
type Waiting =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      readonly batch: Batch;
      readonly index: number;
      readonly file: PendingFile;
    }
  | { readonly kind: 'large'; readonly parts: LargeParts };

/** The parts of one large file, as they come. */
export class LargeParts {
  /** Parts that were read and not hashed. */
  ready: Batch[] = [];
  /** Bytes of the file that were not hashed. */
  left: number;
  readonly #onPart: () => void;

  constructor(sizeBytes: number, onPart: () => void) {
    this.left = sizeBytes;
    this.#onPart = onPart;
  }

  /** The next part, which was read. */
  add(part: Batch): void {
    this.ready.push(part);
    this.#onPart();
  }
}

/**
 * Hashes a tar in its order although its files are read in another one: bytes, files of batches and parts of large files wait for their turn.
 * Batches go back to the pool when their last file was hashed.
 */
export class HashQueue {
  readonly #hasher: ContentHasher;
  readonly #pool: BatchPool;
  #waiting: Waiting[] = [];
  #next = 0;
  #waitingBytes = 0;

  constructor(hasher: ContentHasher, pool: BatchPool) {
    this.#hasher = hasher;
    this.#pool = pool;
  }

  /** Nothing waits for its turn. */
  get isIdle(): boolean {
    return this.#next === this.#waiting.length;
  }

  /** Bytes that wait in memory beside those of batches. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The next bytes, which the queue may keep. */
  bytes(bytes: Uint8Array): void {
    if (this.isIdle) {
      this.#hasher.update(bytes);
      return;
    }
    this.#waitingBytes += bytes.length;
    this.#waiting.push({ kind: 'bytes', bytes });
  }

  /** The next bytes are those of the file that was just added to a batch. */
  file(batch: Batch, file: PendingFile): void {
    this.#waiting.push({ kind: 'file', batch, index: batch.files.length - 1, file });
  }

  /** The next bytes are those of a large file, whose parts come later. */
  large(sizeBytes: number): LargeParts {
    const parts = new LargeParts(sizeBytes, () => this.advance());
    this.#waiting.push({ kind: 'large', parts });
    return parts;
  }

  /** Hashes what has its turn. */
  advance(): void {
    for (let part = this.#waiting[this.#next]; part !== undefined; ) {
      if (!this.#take(part)) break;
      this.#next += 1;
      part = this.#waiting[this.#next];
    }
    if (this.isIdle || this.#next > 4096) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
  }

  #take(part: Waiting): boolean {
    if (part.kind === 'bytes') {
      this.#hasher.update(part.bytes);
      this.#waitingBytes -= part.bytes.length;
      return true;
    }
    if (part.kind === 'large') return this.#takeParts(part.parts);
    const { batch, index, file } = part;
    if (file.id === undefined) return false;
    this.#hasher.update(batch.contentOf(index));
    if (index === batch.files.length - 1) this.#pool.giveBack(batch);
    return true;
  }

  #takeParts(parts: LargeParts): boolean {
    for (const part of parts.ready.splice(0)) {
      this.#hasher.update(part.contentOf(0));
      parts.left -= part.usedBytes;
      this.#pool.giveBack(part);
    }
    return parts.left === 0;
  }
}
