import { existsSync, readdirSync, readlinkSync, realpathSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setSyscallObserver } from '#host';

/** Thrown in the place of every system call after the end. */
class PowerLost extends Error {}

/** Calls after which a disk may look different; dying right before any other call is dying before the next of these. */
const CHANGING: ReadonlySet<string> = new Set([
  'copy_file_range',
  'fchmod',
  'fsync',
  'ftruncate',
  'ioctl',
  'linkat',
  'mkdirat',
  'pwrite',
  'renameat2',
  'symlinkat',
  'syncfs',
  'unlinkat',
  'write',
]);
/** What the kernel does for a dead process: it closes its files and gives its locks back. */
const DONE_BY_KERNEL: ReadonlySet<string> = new Set(['close', 'flock']);

/** What a repository has: paths of objects, and stream names with the path of the object behind each. */
export interface DiskState {
  readonly objects: ReadonlySet<string>;
  readonly names: ReadonlyMap<string, string>;
}

/** Reads the state without any system call of ours. */
export function readDiskState(path: string): DiskState {
  const objects = new Set<string>();
  for (const name of namesIn(join(path, 'objects'))) {
    if (name.includes('/') && !name.includes('.')) objects.add(name);
  }
  const names = new Map<string, string>();
  for (const entry of namesIn(join(path, 'streams'), false)) {
    if (entry === 'refs' || entry.startsWith('.')) continue;
    const target = readlinkSync(join(path, 'streams', entry));
    names.set(entry, target.replace('../objects/', ''));
  }
  return { objects, names };
}

function namesIn(path: string, recursive = true): string[] {
  return existsSync(path) ? readdirSync(path, { recursive, encoding: 'utf8' }) : [];
}

/** How a run ended. */
export interface RunEnd {
  readonly died: boolean;
  /** Changing calls that were made. */
  readonly steps: number;
  /** What was there when the filesystem, or the directory of the names, was last synced. */
  readonly synced: DiskState;
}

/** Sees the repository before each changing call, with what was there at the last sync. */
export type StateWatcher = (now: DiskState, synced: DiskState) => void;

/**
 * Runs `work` on the repository at `path` as a process that dies right before its changing system call number `dieAt` (from 0; Infinity
 * never dies): that call and all later ones do not happen, whatever the code tries to clean up. Syncs are only noted, not made.
 */
export async function runUntil(
  path: string,
  work: () => Promise<unknown>,
  { dieAt, watch }: { readonly dieAt: number; readonly watch?: StateWatcher },
): Promise<RunEnd> {
  let steps = 0;
  let died = false;
  let synced = readDiskState(path);
  let problem: { readonly error: unknown } | undefined;
  setSyscallObserver((syscall, first) => {
    if (died) {
      if (DONE_BY_KERNEL.has(syscall)) return undefined;
      throw new PowerLost(syscall);
    }
    if (!CHANGING.has(syscall)) return undefined;
    if (steps === dieAt) {
      died = true;
      throw new PowerLost(syscall);
    }
    steps += 1;
    try {
      watch?.(readDiskState(path), synced);
    } catch (error) {
      problem ??= { error };
    }
    if (syscall === 'fsync' && isNames(path, first)) {
      synced = { objects: synced.objects, names: readDiskState(path).names };
      return 0;
    }
    if (syscall !== 'syncfs') return undefined;
    synced = readDiskState(path);
    return 0;
  });
  try {
    await work();
  } catch (error) {
    if (!died) throw error;
  } finally {
    setSyscallObserver(undefined);
  }
  if (problem !== undefined) throw problem.error;
  return { died, steps, synced };
}

/** True for a descriptor of the directory that holds the names of streams. */
function isNames(path: string, fd: number): boolean {
  return readlinkSync(`/proc/self/fd/${fd}`) === realpathSync(join(path, 'streams'));
}

/** Makes what a power cut may make of objects that were not synced: they are empty, or not there. */
export function loseUnsynced(path: string, synced: DiskState, how: 'empty' | 'gone'): number {
  const lost = [...readDiskState(path).objects].filter((object) => !synced.objects.has(object));
  for (const object of lost) {
    const file = join(path, 'objects', object);
    if (how === 'empty') truncateSync(file);
    else rmSync(file);
  }
  return lost.length;
}
