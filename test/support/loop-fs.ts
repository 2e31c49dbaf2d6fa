import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dir, unmount } from '#host';
import { type FilesystemType, findProgram } from './capability.ts';

const MKFS_OPTIONS: Readonly<Record<FilesystemType, readonly string[]>> = {
  xfs: ['-q', '-m', 'reflink=1'],
  btrfs: ['-q'],
  ext4: ['-q', '-F', '-O', 'verity'],
};
/** The least that every mkfs here accepts (XFS wants 300 MiB); the image is sparse. */
const IMAGE_BYTES = 512 * 1024 * 1024;

/** A mounted filesystem of its own, on a loop device over a sparse file; disposing unmounts it and removes the file. */
export interface LoopFilesystem extends AsyncDisposable {
  readonly path: string;
  readonly dir: Dir;
}

/** How to make it. */
export interface LoopFilesystemOptions {
  /** Size of the image; 512 MiB by default. */
  readonly sizeBytes?: number;
  /** More options for mkfs. */
  readonly mkfs?: readonly string[];
  /** Mount options, comma separated. */
  readonly mount?: string;
}

function run(program: string, parameters: readonly string[]): void {
  const done = spawnSync(findProgram(program) ?? program, parameters, { encoding: 'utf8' });
  if (done.status !== 0) {
    throw new Error(`${program} ${parameters.join(' ')}: ${done.error ?? done.stderr}`);
  }
}

/** Needs root and loop devices: ask `needs(t, type)` first. */
export async function mountLoopFilesystem(
  type: FilesystemType,
  options: LoopFilesystemOptions = {},
): Promise<LoopFilesystem> {
  const scratch = mkdtempSync(join(tmpdir(), `onecopy-${type}-`));
  const image = join(scratch, 'image');
  const path = join(scratch, 'mnt');
  try {
    const fd = openSync(image, 'w');
    ftruncateSync(fd, options.sizeBytes ?? IMAGE_BYTES);
    closeSync(fd);
    mkdirSync(path);
    run(`mkfs.${type}`, [...MKFS_OPTIONS[type], ...(options.mkfs ?? []), image]);
    const mountOptions = options.mount === undefined ? 'loop' : `loop,${options.mount}`;
    run('mount', ['-t', type, '-o', mountOptions, image, path]);
  } catch (error) {
    rmSync(scratch, { recursive: true });
    throw error;
  }
  const dir = Dir.open(path);
  return {
    path,
    dir,
    async [Symbol.asyncDispose]() {
      dir[Symbol.dispose]();
      unmount(path, { lazy: true });
      rmSync(scratch, { recursive: true });
    },
  };
}
