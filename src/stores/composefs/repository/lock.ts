import { setTimeout as sleep } from 'node:timers/promises';
import { BusyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { type Dir, type LockMode, tryFlock, unlockFlock } from '#host';

/** Options for waiting for the lock of a repository. */
export interface LockOptions extends OperationOptions {
  /** Maximum wait in milliseconds; 0 tries once, undefined waits without limit. */
  readonly timeoutMs?: number | undefined;
}

/** First and longest pause between two attempts. Source: chosen for onecopy; upstream blocks in the kernel and cannot be cancelled. */
const PAUSE_MS = { first: 2, longest: 100 } as const;

/**
 * Acquires the lock of a repository directory, or converts the held lock. The wait can be cancelled, sends one progress note, and does not block
 * the thread. While an upgrade from shared to exclusive waits, the shared lock is not held (flock(2)).
 * @throws BusyError REPO_LOCKED after `timeoutMs`
 */
export async function acquireLock(
  root: Dir,
  mode: LockMode,
  options: LockOptions = {},
): Promise<void> {
  const { signal, timeoutMs, onProgress } = options;
  const startSeconds = process.uptime();
  let pauseMs: number = PAUSE_MS.first;
  for (let attempt = 0; ; attempt += 1) {
    signal?.throwIfAborted();
    if (tryFlock(root, mode)) return;
    const waitedMs = (process.uptime() - startSeconds) * 1000;
    const leftMs = (timeoutMs ?? Number.POSITIVE_INFINITY) - waitedMs;
    if (leftMs <= 0) throw locked(root, mode, timeoutMs ?? 0);
    if (attempt === 0) {
      onProgress?.({ type: 'note', text: `Waiting for the ${mode} lock of ${root.label}` });
    }
    await sleep(Math.min(pauseMs, leftMs), undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      },
    );
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS.longest);
  }
}

/**
 * Runs `work` under the exclusive lock of a directory that is locked shared, and acquires the shared lock again afterwards, also after a failure.
 * It does not wait for the shared lock, because another process may hold the exclusive lock for a garbage collection.
 * @param onLost called if the shared lock could not be acquired again
 * @throws BusyError REPO_LOCKED after `timeoutMs`; what `work` throws
 */
export async function withExclusiveLock<T>(
  root: Dir,
  options: LockOptions,
  work: () => Promise<T>,
  onLost: () => void,
): Promise<T> {
  try {
    await acquireLock(root, 'exclusive', options);
    return await work();
  } finally {
    if (!tryFlock(root, 'shared')) onLost();
  }
}

/** Acquires the shared lock again after another process held the lock. @throws BusyError REPO_LOCKED while that process holds it */
export function retakeLock(root: Dir): void {
  if (!tryFlock(root, 'shared')) throw locked(root, 'shared', 0);
}

/** Releases the lock before the descriptor is closed, because a child process may still hold a copy of the descriptor. */
export function releaseLock(root: Dir): void {
  unlockFlock(root);
}

function locked(root: Dir, mode: LockMode, timeoutMs: number): BusyError {
  return new BusyError(
    'REPO_LOCKED',
    `Cannot take the ${mode} lock of repository "${root.label}": another process held it for ${timeoutMs} ms`,
    { path: root.label, mode, timeoutMs },
    { hint: 'Wait until the other process has finished, or set a longer timeout' },
  );
}
