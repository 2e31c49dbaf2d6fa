import { tmpdir } from 'node:os';
import type { ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { createTmpFile, Dir, readAt, statFd, type TmpFile } from '#host';

/** A content that is being written. Disposed without publishing, it leaves nothing. */
export interface StagedContent extends Disposable {
  readonly fd: number;
  write(bytes: Uint8Array): void;
  publish(id: ObjectId): void;
}

/** A content open for reading; disposing it does nothing, because the store keeps it. */
export interface ScratchContent extends Disposable {
  readonly fd: number;
  readonly label: string;
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array): number;
}

/**
 * A temporary store of contents by id: unnamed files in the directory for temporary files, freed on disposal and after a crash. No other
 * process can change them, so contents that were hashed when written need not be verified again.
 */
export class ScratchObjects implements Disposable {
  readonly #kept = new Map<ObjectId, TmpFile>();
  #directory: Dir | undefined;

  /** True when the content is here. */
  has(id: ObjectId): boolean {
    return this.#kept.has(id);
  }

  /** Starts a content. `publish` trusts the id. @throws HostError SYSCALL_FAILED, NO_SPACE */
  stage(): StagedContent {
    this.#directory ??= Dir.open(tmpdir());
    const file = createTmpFile(this.#directory, 0o600);
    let isKept = false;
    return {
      fd: file.fd,
      write: (bytes) => file.write(bytes),
      publish: (id) => {
        isKept = !this.#kept.has(id);
        if (isKept) this.#kept.set(id, file);
      },
      [Symbol.dispose]: () => {
        if (!isKept) file[Symbol.dispose]();
      },
    };
  }

  /** @throws NotFoundError OBJECT_NOT_FOUND for a content that is not stored */
  open(id: ObjectId): ScratchContent {
    const file = this.#kept.get(id);
    if (file === undefined) {
      throw new NotFoundError(
        'OBJECT_NOT_FOUND',
        `Cannot read object ${id}: its content was not read from the source`,
        { id },
      );
    }
    const { sizeBytes } = statFd(file);
    const read = (offset: number, into: Uint8Array) => readAt(file, into, offset);
    return { fd: file.fd, label: `object ${id}`, sizeBytes, read, [Symbol.dispose]() {} };
  }

  /** Removes all contents. */
  clear(): void {
    for (const file of this.#kept.values()) file[Symbol.dispose]();
    this.#kept.clear();
  }

  [Symbol.dispose](): void {
    this.clear();
    this.#directory?.[Symbol.dispose]();
  }
}
