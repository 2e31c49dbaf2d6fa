/**
 * Keeps errno. errno belongs to the thread, so any work of the engine between a foreign call and the read of errno may change it: the
 * engine waits for its own threads at the start or the end of a function, which sets EAGAIN. Therefore errno is read immediately after a
 * failed call. If it is EAGAIN, a repeatable call is made again: it failed, so it had no effect.
 */

/** Linux asm-generic/errno-base.h. */
const EAGAIN = 11;
const TRIES_MAX = 4;

/** A foreign function; it returns -1 when it fails. */
export type ForeignCall = (...parameters: (number | Uint8Array)[]) => number;

/** Wraps foreign functions so that errno is kept until the next failure. */
export class ErrnoKeeper {
  /** errno of the last call that failed. */
  errno = 0;
  readonly #read: () => number;

  /** @param read reads errno of this thread */
  constructor(read: () => number) {
    this.#read = read;
  }

  /**
   * The same function with this number of parameters. Written out for each number, because a generic wrapper would cost as much as the
   * call.
   * @param mayRepeat false for a function whose second call returns another result, or that has its own meaning of EAGAIN
   */
  wrap(call: ForeignCall, parameters: number, mayRepeat: boolean): ForeignCall {
    const read = this.#read;
    const settle = (errno: number, again: () => number): number => {
      this.errno = errno;
      return errno === EAGAIN && mayRepeat ? this.#tryAgain(again) : -1;
    };
    switch (parameters) {
      case 1:
        return (a = 0) => {
          const result = call(a);
          return result === -1 ? settle(read(), () => call(a)) : result;
        };
      case 2:
        return (a = 0, b = 0) => {
          const result = call(a, b);
          return result === -1 ? settle(read(), () => call(a, b)) : result;
        };
      case 3:
        return (a = 0, b = 0, c = 0) => {
          const result = call(a, b, c);
          return result === -1 ? settle(read(), () => call(a, b, c)) : result;
        };
      case 4:
        return (a = 0, b = 0, c = 0, d = 0) => {
          const result = call(a, b, c, d);
          return result === -1 ? settle(read(), () => call(a, b, c, d)) : result;
        };
      case 5:
        return (a = 0, b = 0, c = 0, d = 0, e = 0) => {
          const result = call(a, b, c, d, e);
          return result === -1 ? settle(read(), () => call(a, b, c, d, e)) : result;
        };
      default:
        return (...all) => {
          const result = call(...all);
          return result === -1 ? settle(read(), () => call(...all)) : result;
        };
    }
  }

  #tryAgain(again: () => number): number {
    for (let tries = 1; tries < TRIES_MAX; tries += 1) {
      const result = again();
      if (result !== -1) return result;
      this.errno = this.#read();
      if (this.errno !== EAGAIN) return -1;
    }
    return -1;
  }
}
