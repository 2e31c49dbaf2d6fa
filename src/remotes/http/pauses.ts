import { parseRetryAfter, sleep } from './retry.ts';

/** Origins that asked for a pause (429 or 503 with Retry-After): nothing is sent to them before it is over. */
export class Pauses {
  readonly #longestMs: number;
  readonly #untilMs = new Map<string, number>();

  /** @param longestMs with a longer pause, the request fails */
  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  /** Takes note of an answer. */
  onAnswer(origin: string, status: number, retryAfter: string | undefined): void {
    if (status !== 429 && status !== 503) return;
    const waitMs = parseRetryAfter(retryAfter, Date.now()) ?? 0;
    if (waitMs === 0 || waitMs > this.#longestMs) return;
    const untilMs = performance.now() + waitMs;
    this.#untilMs.set(origin, Math.max(untilMs, this.#untilMs.get(origin) ?? 0));
  }

  /** Waits until the pause of the origin is over, or throws the reason of `signal`. */
  async wait(origin: string, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const leftMs = (this.#untilMs.get(origin) ?? 0) - performance.now();
      if (leftMs <= 0) break;
      await sleep(leftMs, signal);
    }
    this.#untilMs.delete(origin);
  }
}
