import type { OperationOptions } from '#base/flow';
import { type Dir, tryFlock } from '#host';
import {
  acquireLock,
  type LockOptions,
  releaseLock,
  retakeLock,
  withExclusiveLock,
} from './lock.ts';

/**
 * The lock of an open repository. It is held shared all the time, except during absences: then it is held shared only while at least one section
 * needs it. Sections of several tasks may overlap.
 */
export class HeldLock implements Disposable {
  readonly #root: Dir;
  /** False after a failed exclusive section: another process has the lock. */
  #isHeld = true;
  #absences = 0;
  readonly #sections = new Set<Promise<unknown>>();
  #exclusive: Promise<unknown> | undefined;

  /** @param root locked shared */
  constructor(root: Dir) {
    this.#root = root;
  }

  /** True during an absence, while the lock is not held all the time. */
  get isAbsent(): boolean {
    return this.#absences > 0;
  }

  /** Acquires the lock again if it was lost. @throws BusyError REPO_LOCKED */
  ensure(): void {
    if (this.#isHeld || this.isAbsent) return;
    retakeLock(this.#root);
    this.#isHeld = true;
  }

  /** Begins an absence: the lock is released unless a section needs it. */
  leave(): void {
    this.#absences += 1;
    this.#settle();
  }

  /** Ends an absence. Waits for the lock until the signal fires; then the lock may be lost, and a write acquires it again. */
  async comeBack(options: OperationOptions): Promise<void> {
    let isBack = false;
    const end = async () => {
      this.#absences -= 1;
      isBack = true;
    };
    try {
      options.signal?.throwIfAborted();
      await this.section(options, end);
    } catch (error) {
      if (options.signal?.aborted !== true) throw error;
    } finally {
      if (!isBack) await end();
      if (!this.isAbsent) this.#isHeld = tryFlock(this.#root, 'shared');
    }
  }

  /** Runs work while the lock is held shared; waits while another process collects garbage. @throws what `work` throws */
  async section<T>(options: OperationOptions, work: () => Promise<T>): Promise<T> {
    if (!this.isAbsent) return await work();
    while (this.#exclusive !== undefined) await this.#exclusive.catch(() => {});
    const running = this.#section(options, work);
    this.#sections.add(running);
    try {
      return await running;
    } finally {
      this.#sections.delete(running);
      this.#settle();
    }
  }

  async #section<T>(options: OperationOptions, work: () => Promise<T>): Promise<T> {
    await acquireLock(this.#root, 'shared', options);
    return await work();
  }

  /** Runs work while no other process has the repository open, and no section runs here. @throws as `withExclusiveLock` */
  async exclusively<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    while (this.#sections.size > 0) await Promise.allSettled(this.#sections);
    const running = withExclusiveLock(this.#root, options, work, () => {
      this.#isHeld = false;
    });
    this.#exclusive = running;
    try {
      return await running;
    } finally {
      this.#exclusive = undefined;
      this.#settle();
    }
  }

  /** Releases the lock. */
  [Symbol.dispose](): void {
    releaseLock(this.#root);
  }

  #settle(): void {
    if (this.isAbsent && this.#sections.size === 0) releaseLock(this.#root);
  }
}
