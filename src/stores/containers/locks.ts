import { setTimeout as sleep } from 'node:timers/promises';
import { BusyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { makeStamp } from '#formats/containers-storage';
import { type HostFile, hasErrno, type LockMode, OPEN, tryLockOfd, writeAt } from '#host';
import { LOCK_TIMEOUT_MS, RECORDS, type RecordKind } from './layout.ts';
import type { StorageRoot } from './root.ts';

/** First and longest pause between two attempts, in milliseconds. */
const PAUSE_MS = { first: 1, longest: 50 } as const;

/** Timeout of a lock. */
export interface StoreLockOptions extends OperationOptions {
  /** Maximum wait in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** A lock of records; disposing it releases the lock. */
export class RecordsLock implements Disposable {
  readonly #file: HostFile;

  constructor(file: HostFile) {
    this.#file = file;
  }

  /** Announces that records change, so that other processes read them again. Written before the records, so that a crash in between is harmless. */
  stamp(): void {
    writeAt(this.#file, makeStamp(BigInt(Date.now()) * 1_000_000n, process.pid), 0);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/**
 * Locks records for reading with podman's kind of lock (a record lock of fcntl). Creates nothing: undefined if the lock file is missing or this
 * user may not open it.
 * @throws BusyError STORE_LOCKED
 */
export async function lockToRead(
  root: StorageRoot,
  kind: RecordKind,
  options: StoreLockOptions = {},
): Promise<RecordsLock | undefined> {
  let file: HostFile | undefined;
  try {
    file = root.dir.tryOpenFile(lockName(root, kind), OPEN.read | OPEN.nonBlock);
  } catch (error) {
    if (!hasErrno(error, 'EACCES') && !hasErrno(error, 'ENOTDIR')) throw error;
  }
  return file === undefined ? undefined : await take(file, 'shared', options);
}

/** Locks records for writing; creates the lock file. @throws BusyError STORE_LOCKED; HostError */
export async function lockToWrite(
  root: StorageRoot,
  kind: RecordKind,
  options: StoreLockOptions = {},
): Promise<RecordsLock> {
  const flags = OPEN.readWrite | OPEN.create | OPEN.nonBlock;
  return await take(root.dir.openFile(lockName(root, kind), flags, 0o644), 'exclusive', options);
}

function lockName(root: StorageRoot, kind: RecordKind): string {
  return `${root.driver}-${RECORDS[kind].folder}/${RECORDS[kind].lock}`;
}

async function take(
  file: HostFile,
  mode: LockMode,
  options: StoreLockOptions,
): Promise<RecordsLock> {
  try {
    await wait(file, mode, options);
    return new RecordsLock(file);
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

async function wait(
  file: HostFile,
  mode: LockMode,
  { signal, onProgress, timeoutMs = LOCK_TIMEOUT_MS }: StoreLockOptions,
): Promise<void> {
  const start = performance.now();
  let pauseMs: number = PAUSE_MS.first;
  for (let attempt = 0; ; attempt += 1) {
    signal?.throwIfAborted();
    if (tryLockOfd(file, mode)) return;
    const leftMs = timeoutMs - (performance.now() - start);
    if (leftMs <= 0) {
      throw new BusyError(
        'STORE_LOCKED',
        `Cannot take the ${mode} lock "${file.label}": another process held it for ${timeoutMs} ms`,
        { path: file.label, mode, timeoutMs, retryable: true },
        { hint: 'Wait for the podman, buildah or skopeo that uses the store, then try again' },
      );
    }
    if (attempt === 3) onProgress?.({ type: 'note', text: `Waiting for the lock ${file.label}` });
    await sleep(Math.min(pauseMs, leftMs), undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      },
    );
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS.longest);
  }
}
