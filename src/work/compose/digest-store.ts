import type { ObjectId } from '#base/digest';
import { type Dir, enableVerityWithRetry, type HostFile, openOrCreateDir, publish } from '#host';
import { hashPieces } from './scan.ts';

/** Permissions of an object: read-only. */
const OBJECT_MODE = 0o644;
/** Permissions of the directories of a digest store. */
const DIRECTORY_MODE = 0o755;

/**
 * A flat digest store in the layout of C mkcomposefs: `XX/REST` below one directory. fs-verity is enabled if the filesystem supports it;
 * existing objects are kept. Source: composefs core spec 2.12
 */
export class DigestStore implements Disposable {
  readonly #dir: Dir;

  constructor(dir: Dir) {
    this.#dir = dir;
  }

  [Symbol.dispose](): void {
    this.#dir[Symbol.dispose]();
  }

  /** Copies a file into the store and returns its id. @throws HostError, IntegrityError FILE_CHANGED */
  store(file: HostFile, sizeBytes: number): ObjectId {
    using copy = this.#dir.tmpfile(OBJECT_MODE);
    const id = hashPieces(file, sizeBytes, (piece) => copy.write(piece));
    this.#dir.mkdir(id.slice(0, 2), DIRECTORY_MODE);
    using fanOut = this.#dir.openDir(id.slice(0, 2));
    publish(copy, fanOut, id.slice(2), {
      durable: false,
      verify: (sealed) => void enableVerityWithRetry(sealed, 'sha256'),
    });
    return id;
  }
}

/** Opens a digest store; creates its directory and the parents that are missing. @throws HostError SYSCALL_FAILED */
export function openDigestStore(path: string): DigestStore {
  return new DigestStore(openOrCreateDir(path, DIRECTORY_MODE));
}
