import { setTimeout as delay } from 'node:timers/promises';
import type { ByteString } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import {
  type Dir,
  type HostFile,
  OPEN,
  readPieces,
  statFd,
  truncate,
  tryFlock,
  writeAt,
} from '#host';
import { DIRECTORY_MODE, OWN, PARTIAL_KEPT_SEC, PARTIALS, PARTIALS_BYTES_MAX } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';

/** A partial blob belongs to its owner alone: it may be of a private registry. */
const PARTIAL_MODE = 0o600;
/** Milliseconds between two looks at a partial blob that another pull fetches. */
const POLL_MS = 50;

/** Options of opening. */
export interface OpenPartialOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Blobs that are being fetched, as far as they have come: a pull that was interrupted goes on where it stopped. Each is a file of our own
 * directory, locked by the pull that fetches it, so that two pulls of one blob fetch it once. Any of them may be deleted at any time. The bytes
 * are not trusted: whoever reads the blob verifies all of it.
 */
export class PartialStore {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /**
   * Opens what there is of a blob, or begins it. Waits while another pull fetches the same blob.
   * @throws HostError SYSCALL_FAILED; the reason of the signal
   */
  async open(digest: ContentDigest, { signal }: OpenPartialOptions = {}): Promise<PartialBlob> {
    this.#root.mkdir(OWN, DIRECTORY_MODE);
    this.#root.mkdir(PARTIALS, DIRECTORY_MODE);
    const name = `${PARTIALS}/${nameOf(digest)}`;
    let hasWaited = false;
    for (;;) {
      signal?.throwIfAborted();
      const file = this.#root.openFile(
        name,
        OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock,
        PARTIAL_MODE,
      );
      if (!tryFlock(file, 'exclusive')) {
        hasWaited = true;
        file[Symbol.dispose]();
        await delay(POLL_MS, undefined, { signal });
        continue;
      }
      // Who had the lock may have removed the file under this name.
      if (this.#root.lstat(name)?.ino === statFd(file).ino) {
        return new PartialBlob(this.#root, name, file, hasWaited);
      }
      file[Symbol.dispose]();
    }
  }

  /** Bytes that are there of a blob; others may add to them meanwhile. */
  heldBytes(digest: ContentDigest): number {
    return this.#root.lstat(`${PARTIALS}/${nameOf(digest)}`)?.sizeBytes ?? 0;
  }

  /**
   * Paths of what no pull is likely to go on with: blobs that last grew more than a week ago, and the oldest beyond `PARTIALS_BYTES_MAX`
   * together. Whoever removes them holds the exclusive lock of the repository, so that no pull has one.
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
      .map(({ path }) => path);
  }
}

/** A blob that is being fetched; nobody else has it open. Disposing it leaves what came. */
export class PartialBlob implements Disposable {
  /** True when another pull fetched this blob meanwhile. */
  readonly hasWaited: boolean;
  readonly #root: Dir;
  readonly #name: string;
  readonly #file: HostFile;
  #heldBytes: number;
  #sizeBytes: number;

  constructor(root: Dir, name: string, file: HostFile, hasWaited: boolean) {
    this.#root = root;
    this.#name = name;
    this.#file = file;
    this.hasWaited = hasWaited;
    this.#heldBytes = statFd(file).sizeBytes;
    this.#sizeBytes = this.#heldBytes;
  }

  /** Bytes that were there when it was opened, and were not cleared. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes that are there now. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** What was there when it was opened, in pieces that are valid until the next one. @throws HostError SYSCALL_FAILED */
  pieces(): Iterable<Uint8Array> {
    return readPieces(this.#file);
  }

  /** Adds bytes at the end. @throws HostError SYSCALL_FAILED, NO_SPACE */
  append(bytes: Uint8Array): void {
    writeAt(this.#file, bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
  }

  /** Forgets what is there. @throws HostError SYSCALL_FAILED */
  clear(): void {
    truncate(this.#file, 0);
    this.#heldBytes = 0;
    this.#sizeBytes = 0;
  }

  /** Removes it: the blob has arrived, or is another one than was expected. */
  remove(): void {
    this.#root.unlink(this.#name);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** A digest as a file name. */
function nameOf(digest: ContentDigest): string {
  return digest.replace(':', '-');
}
