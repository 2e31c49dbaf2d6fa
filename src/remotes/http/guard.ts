import type { Missing } from './errors.ts';
import { Pace, Punctuality } from './progress.ts';

/** A transfer that fails if it makes no progress. */
export interface Watched {
  readonly origin: string;
  /** True while the delay is on this side. */
  readonly isPaused: boolean;
  /** True while the head of the response has not arrived. */
  readonly isHeadless: boolean;
  /** Time of the last byte, in milliseconds of `performance.now()`. */
  lastMs: number;
  /** Start of the current wait for bytes, without pauses of this side. */
  sinceMs: number;
  onStall(missing: Missing, waitedMs: number): void;
}

/** Watches transfers: each must make progress, and all transfers from one origin together must reach the minimum data rate. */
export class ProgressGuard implements Disposable {
  readonly #stallMs: number;
  readonly #watched = new Set<Watched>();
  readonly #paces = new Map<string, Pace>();
  #timer: NodeJS.Timeout | undefined;

  /** @param stallMs how long a transfer may make no progress */
  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  begin(watched: Watched): void {
    this.#watched.add(watched);
    watched.lastMs = watched.sinceMs = performance.now();
    if (!this.#paces.has(watched.origin)) {
      this.#paces.set(watched.origin, new Pace(this.#stallMs, watched.lastMs));
    }
    if (this.#timer !== undefined) return;
    const punctuality = new Punctuality(this.#stallMs);
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      if (!punctuality.isLate(nowMs)) this.#check(nowMs);
    }, punctuality.periodMs);
  }

  end(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    this[Symbol.dispose]();
  }

  /** Reports transferred bytes, in either direction. */
  onBytes(watched: Watched, count: number): void {
    watched.lastMs = performance.now();
    this.#paces.get(watched.origin)?.onBytes(count);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#paces.clear();
  }

  #check(nowMs: number): void {
    const slow = new Set<string>();
    for (const [origin, pace] of this.#paces) {
      const isWaitedFor = [...this.#watched].some((one) => one.origin === origin && !one.isPaused);
      if (!isWaitedFor) pace.restart(nowMs);
      else if (pace.isTooSlow(nowMs)) slow.add(origin);
    }
    for (const one of [...this.#watched]) {
      if (one.isPaused) {
        one.lastMs = one.sinceMs = nowMs;
        continue;
      }
      const [silentMs, waitedMs] = [nowMs - one.lastMs, nowMs - one.sinceMs];
      if (silentMs > this.#stallMs) one.onStall(one.isHeadless ? 'head' : 'data', silentMs);
      else if (waitedMs > this.#stallMs && slow.has(one.origin)) one.onStall('progress', waitedMs);
    }
  }
}
