import { isOnecopyError } from '#base/errors';

/** A value that is created once and shared by all callers; created again after a failure. */
export class Shared<T> {
  #running: Promise<T> | undefined;

  /** @throws the error of `make`; the signal of one caller does not fail other callers */
  async get(make: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      const isMine = this.#running === undefined;
      this.#running ??= make();
      const running = this.#running;
      try {
        return await running;
      } catch (error) {
        if (this.#running === running) this.#running = undefined;
        if (isMine || isOnecopyError(error)) throw error;
      }
    }
  }
}
