/** Bounds of the number of requests in flight. */
export interface LimiterBounds {
  readonly start: number;
  readonly min: number;
  readonly max: number;
}

/**
 * How many requests may be in flight to one origin. Doubles per round trip until the first sign of trouble, then grows by
 * one per round trip; every trouble (429, 503, time-out, reset) halves it, once per `settleMs`, because one overload
 * shows in many requests at the same time. Source of the rule: TCP congestion control (RFC 5681 slow start, AIMD).
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

  /** Requests that may be in flight now. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Lowers the upper bound: others ask the same origin from now on. */
  narrow(max: number): void {
    this.#bounds = { ...this.#bounds, max };
    this.#limit = Math.min(this.#limit, max);
  }

  /** One response came as it should. */
  onSuccess(): void {
    const step = this.#limit < this.#threshold ? 1 : 1 / this.#limit;
    this.#limit = Math.min(this.#bounds.max, this.#limit + step);
  }

  /** The origin (or the way to it) showed that it is asked too much. */
  onTrouble(nowMs: number): void {
    if (nowMs - this.#cutAtMs < this.#settleMs) return;
    this.#cutAtMs = nowMs;
    this.#limit = Math.max(this.#bounds.min, this.#limit / 2);
    this.#threshold = this.#limit;
  }
}
