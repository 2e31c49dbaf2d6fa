import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unmount } from '#host';

/** A filesystem in memory with a limit, mounted; disposing unmounts it. */
export interface SmallFilesystem extends Disposable {
  readonly path: string;
  /** Bytes that are used. */
  readonly usedBytes: number;
  /** Gives it another limit. */
  resize(sizeBytes: number): void;
}

/** Needs root: ask `needs(t, 'root')` first. */
export function mountSmallFilesystem(sizeBytes: number): SmallFilesystem {
  const path = mkdtempSync(join(tmpdir(), 'onecopy-small-'));
  mount(['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  return {
    path,
    get usedBytes() {
      const { blocks, bfree, bsize } = statfsSync(path);
      return (blocks - bfree) * bsize;
    },
    resize: (bytes) => mount(['-o', `remount,size=${bytes}`, path]),
    [Symbol.dispose]() {
      unmount(path, { lazy: true });
      rmSync(path, { recursive: true });
    },
  };
}

function mount(parameters: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', parameters, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${parameters.join(' ')}: ${stderr}`);
}
