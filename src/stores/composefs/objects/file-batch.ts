import type { ObjectId } from '#base/digest';
import { type VerityAlgorithm, VerityBatch, VerityHasher } from '#formats/fsverity';
import { openBlockHash, readSome } from '#host';

/** Size of the buffer for pending files, in bytes: the content is still in the second-level cache when it is hashed. */
const ARENA_BYTES = 1 << 20;
/** Free space that is required to start a file, in bytes. Larger files are hashed while they are read, and fill the lanes by themselves. */
const ROOM_BYTES = 256 << 10;
const FILES_MAX = 256;

/** The digest of a file, and its size. */
export interface HashedFile {
  readonly id: ObjectId;
  readonly sizeBytes: number;
}

/** Reads small files and hashes them together; memory is constant. Used by one thread. */
export class FileBatch {
  readonly #verity: VerityBatch;
  readonly #hasher: VerityHasher;
  readonly #arena = new Uint8Array(ARENA_BYTES);
  /** The pending files: views of the arena. */
  #files: Uint8Array[] = [];
  #usedBytes = 0;

  constructor(algorithm: VerityAlgorithm) {
    const hash = openBlockHash(algorithm);
    this.#verity = new VerityBatch(hash);
    this.#hasher = new VerityHasher(algorithm, hash);
  }

  /** True if no file can be added before `finish`. */
  get isFull(): boolean {
    return this.#files.length === FILES_MAX || this.#usedBytes > ARENA_BYTES - ROOM_BYTES;
  }

  /**
   * Reads a file that was just opened, and keeps it until `finish`. The digest of a large file is returned immediately. A short read counts
   * as the end of the file: it is one unless the disk fails, and then the digest does not match.
   * @throws HostError SYSCALL_FAILED; the file is then not part of the batch
   */
  add(fd: number): HashedFile | undefined {
    const free = this.#arena.subarray(this.#usedBytes);
    const sizeBytes = readSome(fd, free);
    if (sizeBytes === free.length) return this.#hashLarge(fd, free);
    this.#files.push(free.subarray(0, sizeBytes));
    this.#usedBytes += sizeBytes;
    return undefined;
  }

  /** The digests of the pending files, in the order of `add`. The batch is empty afterwards. */
  finish(): HashedFile[] {
    const files = this.#files;
    const hashed = this.#verity.idsOf(files).map((id, index): HashedFile => {
      return { id, sizeBytes: files[index]?.length ?? 0 };
    });
    this.#files = [];
    this.#usedBytes = 0;
    return hashed;
  }

  /** Continues with a file whose first bytes fill `piece`. */
  #hashLarge(fd: number, piece: Uint8Array): HashedFile {
    try {
      this.#hasher.update(piece);
      for (;;) {
        const count = readSome(fd, piece);
        this.#hasher.update(piece.subarray(0, count));
        if (count === piece.length) continue;
        const { sizeBytes } = this.#hasher;
        return { id: this.#hasher.finish(), sizeBytes };
      }
    } catch (error) {
      // Bytes of this file must not affect the digest of the next file.
      this.#hasher.finish();
      throw error;
    }
  }
}
