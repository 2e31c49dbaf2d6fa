import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dir } from '#host';

/** A fresh directory that is removed with everything in it: `using temp = makeTempDir();`. */
export interface TempDir extends Disposable {
  readonly path: string;
  readonly dir: Dir;
}

/** @param parent where to make it; the system's directory for temporary files by default */
export function makeTempDir(parent: string = tmpdir()): TempDir {
  const path = mkdtempSync(join(parent, 'onecopy-'));
  const dir = Dir.open(path);
  return {
    path,
    dir,
    [Symbol.dispose]() {
      dir[Symbol.dispose]();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** As `makeTempDir`, in memory where that is possible: for tests that make many small files, and where syncing a busy disk takes long. */
export function makeMemoryDir(): TempDir {
  return makeTempDir(existsSync('/dev/shm') ? '/dev/shm' : undefined);
}
