import { setTimeout as delay } from 'node:timers/promises';
import type { ByteString } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import {
  type Dir,
  fsync,
  type HostFile,
  OPEN,
  readAt,
  readPieces,
  statFd,
  truncate,
  tryFlock,
  writeAt,
} from '#host';
import { DIRECTORY_MODE, OWN, PARTIAL_KEPT_SEC, PARTIALS, PARTIALS_BYTES_MAX } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';
import { RangeLog } from './range-log.ts';

/** A partial blob is readable only by its owner, because it may come from a private registry. */
const PARTIAL_MODE = 0o600;
/** Suffix of the file that holds ranges of the blob, beside the file of its beginning. */
const RANGES_SUFFIX = '-ranges';
/** Pause between two checks of a partial blob that another pull fetches, in milliseconds. */
const POLL_MS = 50;

/** Options of opening. */
export interface OpenPartialOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Partially fetched blobs, from which an interrupted pull resumes. Each is a file in the directory of onecopy, locked by the pull that
 * fetches it, so that two pulls of one blob fetch it once. The files may be deleted at any time. Their bytes are not trusted: the reader of
 * the blob verifies all bytes.
 */
export class PartialStore {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /**
   * Opens or creates the partial file of a blob. Waits while another pull fetches the same blob.
   * @throws HostError SYSCALL_FAILED; the reason of the signal
   */
  async open(digest: ContentDigest, { signal }: OpenPartialOptions = {}): Promise<PartialBlob> {
    this.#root.mkdir(OWN, DIRECTORY_MODE);
    this.#root.mkdir(PARTIALS, DIRECTORY_MODE);
    const name = `${PARTIALS}/${nameOf(digest)}`;
    for (;;) {
      signal?.throwIfAborted();
      const file = this.#root.openFile(
        name,
        OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock,
        PARTIAL_MODE,
      );
      if (!tryFlock(file, 'exclusive')) {
        file[Symbol.dispose]();
        await delay(POLL_MS, undefined, { signal });
        continue;
      }
      // The previous holder of the lock may have removed the file of this name.
      if (this.#root.lstat(name)?.ino === statFd(file).ino) {
        return new PartialBlob(this.#root, name, file);
      }
      file[Symbol.dispose]();
    }
  }

  /** Number of stored bytes of a blob; other pulls may add bytes. */
  heldBytes(digest: ContentDigest): number {
    return this.#root.lstat(`${PARTIALS}/${nameOf(digest)}`)?.sizeBytes ?? 0;
  }

  /**
   * Paths of partial blobs that no pull is likely to resume: blobs whose last write is more than a week old, and the oldest beyond
   * `PARTIALS_BYTES_MAX` in total. A blob that a pull is fetching is not among them.
   */
  findStale(nowSec: number = Date.now() / 1000): ByteString[] {
    const found = readUnsorted(this.#root, PARTIALS).flatMap(({ name }) => {
      const path = `${PARTIALS}/${name}` as ByteString;
      const stat = this.#root.lstat(path);
      return stat === undefined ? [] : [{ path, ...stat }];
    });
    found.sort((a, b) => Number(b.mtimeSec - a.mtimeSec));
    let heldBytes = 0;
    return found
      .filter(({ sizeBytes, mtimeSec }) => {
        heldBytes += sizeBytes;
        const isOld = nowSec - Number(mtimeSec) > PARTIAL_KEPT_SEC;
        return isOld || heldBytes > PARTIALS_BYTES_MAX;
      })
      .map(({ path }) => path)
      .filter((path) => !this.#isFetched(path.replace(RANGES_SUFFIX, '')));
  }

  /** True while a pull has the file of a blob locked. */
  #isFetched(path: string): boolean {
    const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
    using file = this.#root.tryOpenFile(path, flags);
    return file !== undefined && !tryFlock(file, 'shared');
  }
}

/** A blob that is being fetched, opened exclusively. Disposing it keeps the received bytes. */
export class PartialBlob implements Disposable {
  readonly #root: Dir;
  readonly #name: string;
  readonly #file: HostFile;
  #log: RangeLog | undefined;
  #heldBytes: number;
  #sizeBytes: number;

  constructor(root: Dir, name: string, file: HostFile) {
    this.#root = root;
    this.#name = name;
    this.#file = file;
    this.#heldBytes = statFd(file).sizeBytes;
    this.#sizeBytes = this.#heldBytes;
  }

  /** Bytes that existed when the file was opened, and were not cleared. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Current number of bytes. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The bytes that existed when it was opened, in pieces. A piece is valid until the next one. @throws HostError SYSCALL_FAILED */
  pieces(): Iterable<Uint8Array> {
    return readPieces(this.#file);
  }

  /** Reads stored bytes from `offset` on into `into`; returns their number. @throws HostError SYSCALL_FAILED */
  read(offset: number, into: Uint8Array): number {
    const room = into.subarray(0, Math.max(0, this.#sizeBytes - offset));
    return room.length === 0 ? 0 : readAt(this.#file, room, offset);
  }

  /** Adds bytes at the end. @throws HostError SYSCALL_FAILED, NO_SPACE */
  append(bytes: Uint8Array): void {
    writeAt(this.#file, bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
  }

  /** Syncs the file to disk. @throws HostError SYSCALL_FAILED, NO_SPACE */
  sync(): void {
    fsync(this.#file);
  }

  /** Discards all bytes. @throws HostError SYSCALL_FAILED */
  clear(): void {
    this.cut(0);
  }

  /** Truncates the file. @throws HostError SYSCALL_FAILED */
  cut(sizeBytes: number): void {
    if (sizeBytes >= this.#sizeBytes) return;
    truncate(this.#file, sizeBytes);
    this.#heldBytes = Math.min(this.#heldBytes, sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  /** The stored ranges of the blob; valid while this is open. @throws HostError SYSCALL_FAILED */
  ranges(blobBytes: number): RangeLog {
    this.#log ??= RangeLog.open(this.#root, `${this.#name}${RANGES_SUFFIX}`, blobBytes);
    return this.#log;
  }

  /** Removes the file: the blob is complete, or its bytes are wrong. */
  remove(): void {
    this.#root.unlink(`${this.#name}${RANGES_SUFFIX}`);
    this.#root.unlink(this.#name);
  }

  [Symbol.dispose](): void {
    this.#log?.[Symbol.dispose]();
    this.#file[Symbol.dispose]();
  }
}

/** Encodes a digest as a file name. */
function nameOf(digest: ContentDigest): string {
  return digest.replace(':', '-');
}
