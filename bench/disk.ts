/** Where the benches write: one XFS with reflink on a loop device, as root; elsewhere a plain folder. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DISK_BYTES = 24 * 2 ** 30;

/** A folder to work in, gone when disposed. */
export interface BenchDisk {
  readonly path: string;
  dispose(): void;
}

/** A folder to work in, below `parent`: XFS with reflink where this user may mount one. */
export function prepareDisk(parent = tmpdir()): BenchDisk {
  const scratch = mkdtempSync(join(parent, 'onecopy-bench-'));
  const path = join(scratch, 'disk');
  mkdirSync(path);
  const image = join(scratch, 'disk.img');
  let mounted = false;
  if (process.getuid?.() === 0) {
    writeFileSync(image, '');
    truncateSync(image, DISK_BYTES);
    mounted =
      spawnSync('mkfs.xfs', ['-q', '-m', 'reflink=1', image]).status === 0 &&
      spawnSync('mount', ['-o', 'loop', image, path]).status === 0;
  }
  return {
    path,
    dispose() {
      if (mounted) spawnSync('umount', ['-l', path]);
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

/** Removes stores, with what containers-storage may have mounted in them. */
export function remove(...paths: readonly string[]): void {
  for (const path of paths) {
    spawnSync('umount', ['-l', join(path, 'overlay')]);
    rmSync(path, { recursive: true, force: true });
  }
}
