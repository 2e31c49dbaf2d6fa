/** Bounds of the number of requests in flight. */
export interface LimiterBounds {
  readonly start: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The number of requests that may be in flight to one origin. It doubles per round trip until the first failure, and then grows by one per
 * round trip. A failure (429, 503, timeout, reset) halves it, once per `settleMs`, because one overload affects many requests at the same
 * time. Source of the rule: TCP congestion control (RFC 5681 slow start, AIMD).
 */
export class Limiter {
  #bounds: LimiterBounds;
  readonly #settleMs: number;
  #limit: number;
  #threshold = Number.POSITIVE_INFINITY;
  #cutAtMs = Number.NEGATIVE_INFINITY;

  constructor(bounds: LimiterBounds, settleMs = 250) {
    this.#bounds = bounds;
    this.#settleMs = settleMs;
    this.#limit = Math.min(bounds.max, Math.max(bounds.min, bounds.start));
  }

  /** Number of requests that may be in flight now. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Lowers the upper bound, because other clients share the origin from now on. */
  narrow(max: number): void {
    this.#bounds = { ...this.#bounds, max };
    this.#limit = Math.min(this.#limit, max);
  }

  /** Records a successful response. */
  onSuccess(): void {
    const step = this.#limit < this.#threshold ? 1 : 1 / this.#limit;
    this.#limit = Math.min(this.#bounds.max, this.#limit + step);
  }

  /** Records that the origin, or the network, is overloaded. */
  onTrouble(nowMs: number): void {
    if (nowMs - this.#cutAtMs < this.#settleMs) return;
    this.#cutAtMs = nowMs;
    this.#limit = Math.max(this.#bounds.min, this.#limit / 2);
    this.#threshold = this.#limit;
  }
}
