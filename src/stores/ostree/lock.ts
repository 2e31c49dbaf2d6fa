import { setTimeout as sleep } from 'node:timers/promises';
import { BusyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { type Dir, type HostFile, hasErrno, type LockMode, OPEN, tryLockOfd } from '#host';
import { LOCK_FILE, LOCK_FILE_MODE } from './layout.ts';

/** First and longest pause between two attempts, in milliseconds. */
const PAUSE_MS = { first: 2, longest: 100 } as const;

/**
 * Locks a repository through its `.lock`: shared for readers and writers, exclusive for prune. Undefined if a reader may not create the
 * file. In this case, no process can hold the lock for a prune either.
 * @param timeoutSec longest wait; negative = without limit
 * @throws BusyError REPO_LOCKED; HostError SYSCALL_FAILED for a writer that may not create the file
 */
export async function lockRepository(
  root: Dir,
  mode: LockMode,
  timeoutSec: number,
  options: OperationOptions & { readonly isReader?: boolean } = {},
): Promise<HostFile | undefined> {
  const file = openLockFile(root, options.isReader === true);
  if (file === undefined) return undefined;
  try {
    await wait(file, mode, timeoutSec, options);
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function openLockFile(root: Dir, isReader: boolean): HostFile | undefined {
  try {
    // Non-blocking: another user may have created a pipe of this name.
    const flags = OPEN.readWrite | OPEN.create | OPEN.nonBlock;
    return root.openFile(LOCK_FILE, flags, LOCK_FILE_MODE);
  } catch (error) {
    const isRefused =
      hasErrno(error, 'EROFS') || hasErrno(error, 'EACCES') || hasErrno(error, 'EPERM');
    if (!isReader || !isRefused) throw error;
  }
  try {
    return root.tryOpenFile(LOCK_FILE, OPEN.read | OPEN.nonBlock);
  } catch (error) {
    if (hasErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}

async function wait(
  file: HostFile,
  mode: LockMode,
  timeoutSec: number,
  { signal, onProgress }: OperationOptions,
): Promise<void> {
  const start = performance.now();
  const limitMs = timeoutSec < 0 ? Number.POSITIVE_INFINITY : timeoutSec * 1000;
  let pauseMs: number = PAUSE_MS.first;
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    if (tryLockOfd(file, mode)) return;
    const leftMs = limitMs - (performance.now() - start);
    if (leftMs <= 0) {
      throw new BusyError(
        'REPO_LOCKED',
        `Cannot take the ${mode} lock of "${file.label}": another process held it for ${timeoutSec} s`,
        { path: file.label, mode, timeoutMs: limitMs },
        { hint: 'Wait until the other process has finished, or raise core.lock-timeout-secs' },
      );
    }
    if (attempt === 0) onProgress?.({ type: 'note', text: `Waiting for the lock ${file.label}` });
    await sleep(Math.min(pauseMs, leftMs), undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      },
    );
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS.longest);
  }
}
