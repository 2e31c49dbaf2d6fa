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

/** How the bytes of a blob came into the target. */
export type BlobMethod = 'reflinked' | 'copied' | 'written' | 'present';

/** A blob that is in the target. */
export interface WrittenBlob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly method: BlobMethod;
}

/**
 * A layout or archive being written. Blobs come first, in any order; `commit` lists the manifest and makes the image visible,
 * as its last step. Disposing it before that leaves an existing layout as it was (blobs without a manifest may stay).
 */
export interface ImageTarget extends Disposable {
  readonly transport: LocalReference['transport'];
  /** The blob, when the target holds it already with this size. */
  findBlob(digest: ContentDigest, sizeBytes: number): WrittenBlob | undefined;
  /** Starts a blob; write, then `commit` it. It is hashed with the algorithm of `expected`, SHA-256 without. */
  createBlob(expected?: ContentDigest): BlobWriter;
  /**
   * Writes a manifest that another one names, without listing it.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH
   */
  addManifest(digest: ContentDigest, bytes: Uint8Array): void;
  /**
   * Writes the manifest and lists it, and lists what refers to it, which was added before. Durable when it returns.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH when the bytes are not those of the entry
   */
  commit(entry: LayoutEntry, manifestBytes: Uint8Array, referrers?: readonly LayoutEntry[]): void;
}

/** Puts a finished, verified blob where it belongs. */
export type Place = (file: TmpFile, blob: Omit<WrittenBlob, 'method'>) => void;

const PIECE_BYTES = 1 << 20;

/** A blob being written into a file that nobody sees; disposing it before `commit` leaves nothing. */
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
   * Takes the bytes of a file as the whole blob: by reflink where source and target can share extents, else by a copy in the
   * kernel. They are read once to compute the digest. Must be the only content.
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
   * Verifies the blob and puts it into the target.
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

/** What files are called that a writer has not given their name yet; one that died may leave them. */
const TEMPORARY_NAME = /^\.(?:onecopy|tmp-object)-/;

/** Writes a whole small file under a name that is free; durable. An existing file of this name is kept. */
export function createFile(directory: Dir, name: Name, bytes: Uint8Array): void {
  using file = directory.tmpfile(0o644);
  file.write(bytes);
  publish(file, directory, name, { durable: true });
}

/** Refuses to write among other people's files. @throws ConflictError TARGET_NOT_EMPTY */
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

/** Writes a whole small file and gives it its name, replacing what is there in one step; durable. */
export function replaceFile(directory: Dir, name: Name, bytes: Uint8Array): void {
  using file = directory.tmpfile(0o644);
  file.write(bytes);
  publishReplacing(file, directory, name);
}

/** Gives a finished file its name, replacing what is there in one step; durable. */
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

/** Opens a directory by path, making it (but not its parents) where it is missing. */
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

/** True when there is a regular file of this size. */
export function hasFileOfSize(directory: Dir, name: Name, sizeBytes: number): boolean {
  const stat = directory.stat(name);
  return stat?.type === 'file' && stat.sizeBytes === sizeBytes;
}

/** Reads a file of a limited size whole; undefined when there is none. */
export function tryReadFile(
  directory: Dir,
  name: Name,
  read: (file: HostFile) => Uint8Array,
): Uint8Array | undefined {
  using file = directory.tryOpenFile(name);
  return file === undefined ? undefined : read(file);
}
