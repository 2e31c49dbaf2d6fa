import { isOnecopyError } from '#base/errors';

/** Something that is made once and waited for by all who want it; made again after a failure. */
export class Shared<T> {
  #running: Promise<T> | undefined;

  /** @throws what `make` throws; a caller whose own signal did not abort does not fail by that of another */
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
