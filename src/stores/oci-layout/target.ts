import { displayText } from '#base/bytes';
import {
  algorithmOf,
  type ContentDigest,
  type ContentHasher,
  createContentHasher,
} from '#base/digest';
import { ConflictError } from '#base/errors';
import { type BlobRange, verifyDigest, verifySize } from '#base/flow';
import type { LayoutEntry, LocalReference } from '#formats/oci';
import {
  cloneFile,
  copyRange,
  Dir,
  fsync,
  type HostFile,
  type Name,
  publish,
  randomName,
  readAt,
  statFd,
  type TmpFile,
  writeAt,
} from '#host';

/** How the bytes of a blob were stored in the target. */
export type BlobMethod = 'reflinked' | 'copied' | 'written' | 'present';

/** A blob that is in the target. */
export interface WrittenBlob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly method: BlobMethod;
}

/**
 * A layout or archive being written. Blobs come first, in any order; `commit` lists the manifest and makes the image visible, as its last
 * step. Disposing it before `commit` leaves an existing layout unchanged (blobs without a manifest may remain).
 */
export interface ImageTarget extends Disposable {
  readonly transport: LocalReference['transport'];
  /** The blob, if the target already holds it with this size. */
  findBlob(digest: ContentDigest, sizeBytes: number): WrittenBlob | undefined;
  /** Starts a blob; write, then `commit` it. It is hashed with the algorithm of `expected` (default: SHA-256). */
  createBlob(expected?: ContentDigest): BlobWriter;
  /**
   * Writes a manifest that another one names, without listing it.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH
   */
  addManifest(digest: ContentDigest, bytes: Uint8Array): void;
  /**
   * Writes the manifest and lists it, and lists what refers to it, which was added before. Durable when it returns.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH if the bytes do not match the entry
   */
  commit(entry: LayoutEntry, manifestBytes: Uint8Array, referrers?: readonly LayoutEntry[]): void;
}

/** Publishes a complete, verified blob. */
export type Place = (file: TmpFile, blob: Omit<WrittenBlob, 'method'>) => void;

const PIECE_BYTES = 1 << 20;

/** A blob that is written to an invisible file. Disposing it before `commit` leaves nothing behind. */
export class BlobWriter implements Disposable {
  readonly #file: TmpFile;
  readonly #place: Place;
  readonly #hasher: ContentHasher;
  #sizeBytes = 0;
  #method: BlobMethod = 'written';

  constructor(file: TmpFile, place: Place, expected?: ContentDigest) {
    this.#file = file;
    this.#place = place;
    this.#hasher = createContentHasher(expected === undefined ? 'sha256' : algorithmOf(expected));
  }

  /** Appends bytes. @throws HostError SYSCALL_FAILED, NO_SPACE */
  write(bytes: Uint8Array): void {
    writeAt(this.#file, bytes, this.#sizeBytes);
    this.#hasher.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  /**
   * Uses the bytes of a file as the complete blob: by reflink if source and target can share extents, otherwise by a copy in the kernel.
   * The bytes are read once to compute the digest. Must be the only content.
   */
  take(range: BlobRange): void {
    const isWhole = range.offsetBytes === 0 && statFd(range.fd).sizeBytes === range.sizeBytes;
    this.#method = isWhole && cloneFile(range.fd, this.#file) ? 'reflinked' : 'copied';
    if (this.#method === 'copied') {
      const { offsetBytes, sizeBytes } = range;
      copyRange(range.fd, this.#file, { fromOffset: offsetBytes, toOffset: 0, sizeBytes });
    }
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, range.sizeBytes)));
    for (;;) {
      const length = readAt(this.#file, piece, this.#sizeBytes);
      if (length === 0) return;
      this.#hasher.update(piece.subarray(0, length));
      this.#sizeBytes += length;
    }
  }

  /** As `take`, in steps that let events have their turn in between. @throws as `take`; the signal's reason */
  async takeInTurns(
    range: BlobRange,
    onProgress: (doneBytes: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const isWhole = range.offsetBytes === 0 && statFd(range.fd).sizeBytes === range.sizeBytes;
    const isCloned = isWhole && cloneFile(range.fd, this.#file);
    this.#method = isCloned ? 'reflinked' : 'copied';
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, range.sizeBytes)));
    while (this.#sizeBytes < range.sizeBytes) {
      const left = piece.subarray(0, range.sizeBytes - this.#sizeBytes);
      const length = isCloned
        ? readAt(this.#file, left, this.#sizeBytes)
        : readAt(range.fd, left, range.offsetBytes + this.#sizeBytes);
      if (length === 0) return;
      const bytes = left.subarray(0, length);
      if (!isCloned) writeAt(this.#file, bytes, this.#sizeBytes);
      this.#hasher.update(bytes);
      this.#sizeBytes += length;
      onProgress(this.#sizeBytes);
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
  }

  /**
   * Verifies the blob and publishes it in the target.
   * @throws IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH
   */
  commit(expected?: { readonly digest: ContentDigest; readonly sizeBytes?: number }): WrittenBlob {
    const digest = this.#hasher.finish();
    if (expected !== undefined) {
      verifySize(expected, this.#sizeBytes);
      verifyDigest(expected.digest, digest);
    }
    const blob = { digest, sizeBytes: this.#sizeBytes };
    this.#place(this.#file, blob);
    return { ...blob, method: this.#method };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Prefix of temporary files, which a killed writer may leave behind. */
const TEMPORARY_NAME = /^\.(?:onecopy|tmp-object)-/;

/** Writes a small file, durable. An existing file of this name is kept. */
export function createFile(directory: Dir, name: Name, bytes: Uint8Array): void {
  using file = directory.tmpfile(0o644);
  file.write(bytes);
  publish(file, directory, name, { durable: true });
}

/** Refuses a directory with other files. @throws ConflictError TARGET_NOT_EMPTY */
export function requireEmpty(directory: Dir, path: string, allowed: readonly string[] = []): void {
  const found = directory
    .readEntries()
    .find(({ name }) => !allowed.includes(name) && !TEMPORARY_NAME.test(name));
  if (found === undefined) return;
  throw new ConflictError(
    'TARGET_NOT_EMPTY',
    `Cannot write image into "${path}": expected an empty directory, found "${displayText(found.name)}"`,
    { path },
    { hint: 'Choose a new directory' },
  );
}

/** Writes a small file, durable. An existing file is replaced atomically. */
export function replaceFile(directory: Dir, name: Name, bytes: Uint8Array): void {
  using file = directory.tmpfile(0o644);
  file.write(bytes);
  publishReplacing(file, directory, name);
}

/** Publishes a complete file, durable. An existing file is replaced atomically. */
export function publishReplacing(file: TmpFile, directory: Dir, name: Name): void {
  fsync(file);
  const temporary = `.onecopy-${randomName()}`;
  file.publish(directory, temporary);
  try {
    directory.rename(temporary, name);
  } catch (error) {
    directory.unlink(temporary);
    throw error;
  }
  fsync(directory);
}

/** Opens a directory by path, and creates it (not its parents) if it is missing. */
export function ensureDirectory(path: string): Dir {
  const trimmed = path.replace(/\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const name = Buffer.from(trimmed.slice(slash + 1), 'utf8').toString('latin1');
  if (name !== '' && name !== '.' && name !== '..') {
    using parent = Dir.open(trimmed.slice(0, slash + 1) || '.');
    parent.mkdir(name);
  }
  return Dir.open(path);
}

/** True if a regular file of this size exists. */
export function hasFileOfSize(directory: Dir, name: Name, sizeBytes: number): boolean {
  const stat = directory.stat(name);
  return stat?.type === 'file' && stat.sizeBytes === sizeBytes;
}

/** Reads a complete file of a limited size; undefined if it does not exist. */
export function tryReadFile(
  directory: Dir,
  name: Name,
  read: (file: HostFile) => Uint8Array,
): Uint8Array | undefined {
  using file = directory.tryOpenFile(name);
  return file === undefined ? undefined : read(file);
}
