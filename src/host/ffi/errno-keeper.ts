/**
 * errno, which belongs to the thread and not to a call: whatever the engine does between a foreign call and the question for errno may
 * change it. It waits for its own threads, which leaves EAGAIN, and it does so where a function begins or returns. So errno is read at
 * once after a failed call, and where it says EAGAIN a call that may be repeated is made again: it failed, so it has done nothing.
 */

/** Linux asm-generic/errno-base.h. */
const EAGAIN = 11;
const TRIES_MAX = 4;

/** A foreign function; it returns -1 when it fails. */
export type ForeignCall = (...parameters: (number | Uint8Array)[]) => number;

/** Makes foreign functions whose errno is kept until the next one fails. */
export class ErrnoKeeper {
  /** errno of the last call that failed. */
  errno = 0;
  readonly #read: () => number;

  /** @param read asks for the errno of this thread */
  constructor(read: () => number) {
    this.#read = read;
  }

  /**
   * The same function with this number of parameters. Written out for each, since a call is as cheap as the wrapper around it.
   * @param mayRepeat false for one that says another thing when it is asked again, or has its own reasons for EAGAIN
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
