/**
 * Slowest pace at which a server may send, in bytes a second over the stall time-out, for all that one origin sends at
 * the same time: many transfers share a slow line. Source: ostree.repo-config(5) low-speed-limit-bytes, whose default is 1000.
 */
export const MIN_BYTES_PER_SEC = 1_000;
/** Interim (1xx) heads before one response; RFC 9110 15.2 states no bound, real servers send one or two. */
export const MAX_INTERIM_HEADS = 16;

/** Pieces of a body after which their mean size is judged: a chunk of one byte may drag thousands along. */
export const CRUMBS_MIN = 65_536;
/** Least mean size of so many pieces, in bytes. */
export const CRUMB_BYTES_MIN = 16;

/**
 * Tells a timer that comes late because this process was busy: what the servers sent meanwhile has not been read yet, so
 * that nobody can be judged.
 */
export class Punctuality {
  readonly periodMs: number;
  #lastMs: number;

  /** @param stallMs the time-out that a timer is to notice */
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

/** The pace of all that one origin sends. Told of every byte; asked now and then whether that was enough. */
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

  /** Begins a window: whatever came or did not come before is not judged, because nobody waited for it. */
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
