/** Limits of a service. They apply to all its clients together, so that no client exhausts the memory or descriptors of the others. */

/** Maximum number of open connections; further connections wait in the kernel. */
export const CONNECTIONS_MAX = 512;
/** Maximum number of concurrent calls that use the processor or a disk for long; further calls wait. */
export const LONG_CALLS_MAX = 8;
/** Maximum size of incomplete messages, in bytes. */
export const PENDING_BYTES_MAX = 64 << 20;
/** Maximum number of descriptors in one message. Source: Linux scm.h SCM_MAX_FD. */
export const MESSAGE_FILES_MAX = 253;
/** Maximum number of descriptors of incomplete messages. */
export const PENDING_FILES_MAX = 1024;
/** Maximum number of repository handles. */
export const HANDLES_MAX = 4096;

/** Counts a resource that all connections share. */
export class Budget {
  #left: number;

  constructor(total: number) {
    this.#left = total;
  }

  /** Reserves an amount; returns false, and reserves nothing, if too little is left. */
  take(amount: number): boolean {
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }

  give(amount: number): void {
    this.#left += amount;
  }
}

/** Admits a limited number of callers at a time, in order of arrival. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a turn, which ends when the result is disposed. @throws the reason of the signal */
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
