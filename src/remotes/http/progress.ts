/**
 * Minimum data rate of a server, in bytes a second over the stall timeout, summed over all transfers of one origin, because they may share
 * a slow line. Source: ostree.repo-config(5) low-speed-limit-bytes, whose default is 1000.
 */
export const MIN_BYTES_PER_SEC = 1_000;
/** Interim (1xx) heads before one response; RFC 9110 15.2 states no bound, real servers send one or two. */
export const MAX_INTERIM_HEADS = 16;

/** Number of pieces of a body after which their mean size is checked: a chunk of one byte may need thousands of bytes of protocol. */
export const CRUMBS_MIN = 65_536;
/** Smallest allowed mean size of the pieces, in bytes. */
export const CRUMB_BYTES_MIN = 16;

/** Detects a timer that is late because this process was busy: received data has not been read yet, so stalls cannot be detected. */
export class Punctuality {
  readonly periodMs: number;
  #lastMs: number;

  /** @param stallMs the timeout that the timer checks */
  constructor(stallMs: number) {
    this.periodMs = Math.max(10, Math.min(1000, stallMs / 4));
    this.#lastMs = performance.now();
  }

  isLate(nowMs: number): boolean {
    const lateMs = nowMs - this.#lastMs - this.periodMs;
    this.#lastMs = nowMs;
    return lateMs > this.periodMs / 2;
  }
}

/** The data rate of one origin. It counts every byte, and checks the rate periodically. */
export class Pace {
  readonly #windowMs: number;
  #sinceMs: number;
  #bytes = 0;

  constructor(windowMs: number, nowMs: number) {
    this.#windowMs = windowMs;
    this.#sinceMs = nowMs;
  }

  onBytes(count: number): void {
    this.#bytes += count;
  }

  /** Starts a new window. Data before it does not count, because no transfer was waiting. */
  restart(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#bytes = 0;
  }

  /** True once for each window that has ended with too few bytes. */
  isTooSlow(nowMs: number): boolean {
    const waitedMs = nowMs - this.#sinceMs;
    if (waitedMs < this.#windowMs) return false;
    const perSec = (this.#bytes * 1000) / waitedMs;
    this.restart(nowMs);
    return perSec < MIN_BYTES_PER_SEC;
  }
}
