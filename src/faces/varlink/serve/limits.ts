/** Limits of a service. They hold for all its clients together, so that none of them makes the others wait for memory or descriptors. */

/** Connections at a time; the kernel keeps others waiting. */
export const CONNECTIONS_MAX = 512;
/** Calls at a time that take the processor or a disk for long; others wait for their turn. */
export const LONG_CALLS_MAX = 8;
/** Bytes of messages that have not come to their end. */
export const PENDING_BYTES_MAX = 64 << 20;
/** Descriptors of one message. Source: Linux scm.h SCM_MAX_FD. */
export const MESSAGE_FILES_MAX = 253;
/** Descriptors of messages that have not come to their end. */
export const PENDING_FILES_MAX = 1024;
/** Handles of repositories. */
export const HANDLES_MAX = 4096;

/** Counts something that all connections share. */
export class Budget {
  #left: number;

  constructor(total: number) {
    this.#left = total;
  }

  /** False, and nothing is taken, where there is not enough left. */
  take(amount: number): boolean {
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }

  give(amount: number): void {
    this.#left += amount;
  }
}

/** Lets a number of callers go on at a time, the others in the order in which they came. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a turn, which ends when it is disposed. @throws the reason of the signal */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        const next = this.#waiting.shift();
        if (next === undefined) this.#free += 1;
        else next();
      },
    };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = () => {
      const at = this.#waiting.indexOf(resolve);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal.reason);
    };
    this.#waiting.push(resolve);
    signal.addEventListener('abort', stop, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', stop));
  }
}
