import { setSyscallObserver } from '#host';

/** Thrown in the place of the system call at which the process dies. */
export class Died extends Error {}

/** Calls that change what others can see, or what is on the disk. Dying between two others is dying before the next of these. */
const STEPS: ReadonlySet<string> = new Set([
  'copy_file_range',
  'fchmod',
  'fdatasync',
  'fsync',
  'ftruncate',
  'linkat',
  'mkdirat',
  'pwrite',
  'renameat2',
  'symlinkat',
  'syncfs',
  'unlinkat',
  'write',
]);

/**
 * Runs `work` as a process that dies right before its changing system call number `step` (from 0): that call and every later one does
 * not happen, whatever the code tries to clean up. Returns true when it died, false when it finished before.
 */
export async function runAndDieAt(step: number, work: () => Promise<void>): Promise<boolean> {
  let count = 0;
  let died = false;
  setSyscallObserver((syscall) => {
    if (!STEPS.has(syscall)) return undefined;
    if (died || count === step) {
      died = true;
      throw new Died(`died at step ${step}, ${syscall}`);
    }
    count += 1;
    return undefined;
  });
  try {
    await work();
  } catch (error) {
    if (!died) throw error;
  } finally {
    setSyscallObserver(undefined);
  }
  return died;
}
