import type { ObjectId } from '#base/digest';
import { closeFd, probeVerity, readSome } from '#host';
import { repositoryPath } from '../names/links.ts';
import type { StoreContext } from '../repository/context.ts';

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
