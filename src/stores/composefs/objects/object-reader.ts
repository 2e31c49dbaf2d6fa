import type { ObjectId } from '#base/digest';
import { IntegrityError, NotFoundError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import { closeFd, Dir, probeVerity, readAhead, readSome } from '#host';
import { repositoryPath } from '../names/links.ts';
import type { StoreContext } from '../repository/context.ts';
import { digestMismatch } from './object-writer.ts';

/** Plain data from which a worker thread makes its own reader. Descriptors are valid in all threads of a process. */
export interface ObjectReaderSeed {
  readonly rootFd: number;
  readonly label: string;
  readonly algorithm: VerityAlgorithm;
  /** Content without fs-verity is accepted. */
  readonly insecure: boolean;
}

/** A reader in any thread of the process whose repository made the seed; the repository must stay open. The caller disposes it. */
export function openObjectReader({ rootFd, label, ...rest }: ObjectReaderSeed): ObjectReader {
  // The descriptor belongs to the repository, so this handle is never disposed.
  const root = new Dir(rootFd, label);
  return new ObjectReader({ root, ...rest }, (id) => {
    using file = root.tryOpenFile(repositoryPath(id));
    if (file === undefined) throw missingObject(id);
    const measured = probeVerity(file.fd, rest.algorithm);
    throw typeof measured === 'string' ? withoutVerity(id) : digestMismatch(id, measured.id);
  });
}

/** The error for an object that does not exist. */
export function missingObject(id: ObjectId): NotFoundError {
  return new NotFoundError(
    'OBJECT_NOT_FOUND',
    `Cannot open object ${id}: it is not in the repository`,
    { id },
    { hint: 'Run `onecopy fsck` to list the images that use this object, then pull those again' },
  );
}

/** The error for an object that the kernel does not confirm in a repository that requires it. */
export function withoutVerity(id: ObjectId): IntegrityError {
  return new IntegrityError(
    'VERITY_NOT_ENABLED',
    `Cannot open object ${id}: this repository requires fs-verity, and the object does not have it`,
    { what: id },
    { hint: 'Open the repository as insecure to accept it' },
  );
}

/**
 * Reads objects sequentially, for streams of tens of thousands of small objects. Each object costs three system calls. The kernel verifies
 * as in `ObjectStore.open`. Disposing closes the open object.
 */
export class ObjectReader implements Disposable {
  readonly #context: Pick<StoreContext, 'root' | 'algorithm' | 'insecure'>;
  readonly #check: (id: ObjectId) => void;
  #fd: number | undefined;
  #mayHaveVerity = true;

  /** @param check opens an object with all checks, and throws the error for its problem */
  constructor(
    context: Pick<StoreContext, 'root' | 'algorithm' | 'insecure'>,
    check: (id: ObjectId) => void,
  ) {
    this.#context = context;
    this.#check = check;
  }

  /** Opens an object and closes the previous one. @throws as `ObjectStore.open` */
  open(id: ObjectId): void {
    this[Symbol.dispose]();
    this.#fd = this.#context.root.tryOpenFd(repositoryPath(id));
    if (this.#fd === undefined || !this.#isRight(this.#fd, id)) this.#check(id);
  }

  /** Has the kernel read the beginning of the object while this thread goes on. */
  prefetch(lengthBytes: number): void {
    if (this.#fd !== undefined) readAhead(this.#fd, lengthBytes);
  }

  /**
   * Reads the next bytes of the object. A short read counts as its end: it is one unless the disk fails, and then the digest does not
   * match.
   * @throws HostError SYSCALL_FAILED
   */
  read(into: Uint8Array): number {
    return this.#fd === undefined ? 0 : readSome(this.#fd, into);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeFd(this.#fd);
    this.#fd = undefined;
  }

  #isRight(fd: number, id: ObjectId): boolean {
    const { algorithm, insecure } = this.#context;
    const measured = this.#mayHaveVerity ? probeVerity(fd, algorithm) : 'unsupported';
    if (typeof measured !== 'string') return measured.id === id;
    this.#mayHaveVerity = measured !== 'unsupported';
    return insecure;
  }
}
