import type { ObjectId } from '#base/digest';
import { closeFd, probeVerity, readSome } from '#host';
import { repositoryPath } from '../names/links.ts';
import type { StoreContext } from '../repository/context.ts';

/**
 * Reads objects one after the other, each from its start: for streams of tens of thousands of small ones, of which each costs three system
 * calls. The kernel verifies as `ObjectStore.open` says. Disposing closes what is open.
 */
export class ObjectReader implements Disposable {
  readonly #context: Pick<StoreContext, 'root' | 'algorithm' | 'insecure'>;
  readonly #check: (id: ObjectId) => void;
  #fd: number | undefined;
  #mayHaveVerity = true;

  /** @param check opens an object with care, and says what is wrong with it by an error */
  constructor(
    context: Pick<StoreContext, 'root' | 'algorithm' | 'insecure'>,
    check: (id: ObjectId) => void,
  ) {
    this.#context = context;
    this.#check = check;
  }

  /** Begins an object and closes the one before. @throws as `ObjectStore.open` */
  open(id: ObjectId): void {
    this[Symbol.dispose]();
    this.#fd = this.#context.root.tryOpenFd(repositoryPath(id));
    if (this.#fd === undefined || !this.#isRight(this.#fd, id)) this.#check(id);
  }

  /**
   * Reads on in the object. Less than fits is taken for its end: that is so unless the disk fails, and then the digest of what was read is
   * wrong.
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
