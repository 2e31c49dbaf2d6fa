import type { Name } from '../ffi/name.ts';
import type { Dir } from './dir.ts';
import { fsync } from './file.ts';
import type { PublishOutcome, TmpFile } from './tmpfile.ts';

/** Options of publishing a file. */
export interface PublishOptions {
  /** Checks the sealed (read-only) file and throws to refuse it, for example by enabling or measuring fs-verity. */
  readonly verify?: (file: TmpFile) => void;
  /**
   * `true` makes the file and its name survive a power loss before this returns. With `false`, a later `syncfs` does that, which is much
   * cheaper for many files.
   */
  readonly durable: boolean;
}

/**
 * Publishes a file in the order that all writers use: (write) - seal - verify - fsync the file - link without replacing - fsync the
 * directory.
 *
 * A reader therefore never sees a name whose content is incomplete or unverified; after a crash the name either does not exist or names the
 * whole content (with `durable`, or after `syncfs`). Nothing is replaced: `exists` means that the name exists, and the caller decides
 * whether it has the same content.
 * @throws what `verify` throws
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function publish(
  file: TmpFile,
  directory: Dir,
  name: Name,
  options: PublishOptions,
): PublishOutcome {
  file.seal();
  options.verify?.(file);
  if (options.durable) fsync(file);
  const outcome = file.publish(directory, name);
  if (options.durable && outcome === 'published') fsyncParent(directory, name);
  return outcome;
}

/** Makes a name below `directory` durable: fsync of the directory that holds its last part. @throws HostError SYSCALL_FAILED */
export function fsyncParent(directory: Dir, name: Name): void {
  const slash = name.lastIndexOf('/');
  if (slash < 0) {
    fsync(directory);
    return;
  }
  using parent = directory.openDir(name.slice(0, slash));
  fsync(parent);
}
