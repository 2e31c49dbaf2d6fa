import { setTimeout as sleepFor } from 'node:timers/promises';

/** The retry policy of requests. */
export interface RetryPolicy {
  /** Total number of attempts, the first included. */
  readonly attempts: number;
  /** Longest wait before the second attempt, in milliseconds; doubles from attempt to attempt. */
  readonly baseMs: number;
  /** Longest wait of all, in milliseconds. */
  readonly capMs: number;
  /** If a server requests (Retry-After) a longer pause than this, the request fails immediately. */
  readonly maxRetryAfterMs: number;
}

/** Six attempts, waits drawn from 0 to 0.25 s × 2^n, at most 30 s. */
export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 6,
  baseMs: 250,
  capMs: 30_000,
  maxRetryAfterMs: 120_000,
};

/** Statuses after which the same request may succeed: timeouts, overload, and failures of the server. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501);
}

/**
 * Milliseconds to wait before attempt `next` (2, 3, …): full jitter, so that clients that failed together do not return together. A
 * Retry-After header takes precedence.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  next: number,
  retryAfterMs: number | undefined,
  random: () => number = Math.random,
): number {
  if (retryAfterMs !== undefined) return retryAfterMs;
  return random() * Math.min(policy.capMs, policy.baseMs * 2 ** (next - 2));
}

/** Reads Retry-After: seconds or an HTTP date (RFC 9110 10.2.3). Undefined for anything else. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000;
  const at = /GMT$/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** Waits, or throws the reason of `signal` unchanged. */
export async function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleepFor(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
