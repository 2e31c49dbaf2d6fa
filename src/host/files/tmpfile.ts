import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { AT, OPEN } from '../ffi/flags.ts';
import { type Name, putName, putProcPath } from '../ffi/name.ts';
import type { Dir } from './dir.ts';
import { reopen, writeAll } from './file.ts';
import { randomName } from './random.ts';

/** Attempts at a free temporary name before giving up (composefs core spec 2.5). */
const TEMPORARY_NAME_TRIES = 16;

/** Result of publishing: the name was created, or it exists (then nothing changed). */
export type PublishOutcome = 'published' | 'exists';

/**
 * An invisible file that is being written: unnamed (O_TMPFILE) or, if the filesystem does not support that, with a temporary name.
 * Disposing it without `publish` leaves nothing behind. A crash leaves nothing of an unnamed file, and a `.tmp-object-` file of a named
 * one.
 */
export class TmpFile implements Disposable {
  /** Read-write descriptor until `seal`, then read-only. */
  fd: number;
  #directory: Dir;
  #temporaryName: string | undefined;
  #open = true;

  constructor(fd: number, directory: Dir, temporaryName: string | undefined) {
    this.fd = fd;
    this.#directory = directory;
    this.#temporaryName = temporaryName;
  }

  /** Its name in messages. */
  get label(): string {
    return this.#temporaryName === undefined
      ? `a new file in ${this.#directory.label}`
      : this.#directory.displayPath(this.#temporaryName);
  }

  /** True when it has no name yet (the normal case). */
  get anonymous(): boolean {
    return this.#temporaryName === undefined;
  }

  /** Appends all bytes. @throws HostError SYSCALL_FAILED, NO_SPACE */
  write(bytes: Uint8Array): void {
    writeAll(this.fd, bytes);
  }

  /** Replaces the read-write descriptor by a read-only one, which fs-verity requires. @throws HostError SYSCALL_FAILED */
  seal(): void {
    const readOnly = reopen(this, OPEN.read);
    sys.close(this.fd);
    this.fd = readOnly.detach();
  }

  /**
   * Replaces this file by the inode of `other` (for example a copy with fs-verity), and drops the old inode.
   * @throws HostError SYSCALL_FAILED when the old one had a temporary name that cannot be removed
   */
  replaceWith(other: TmpFile): void {
    if (this.#temporaryName !== undefined) this.#directory.unlink(this.#temporaryName);
    sys.close(this.fd);
    this.fd = other.fd;
    this.#directory = other.#directory;
    this.#temporaryName = other.#temporaryName;
    other.#open = false;
  }

  /**
   * Links the file under its name below `directory`, without replacing an existing file. The descriptor stays open until disposal.
   * @throws HostError SYSCALL_FAILED, NO_SPACE
   */
  publish(directory: Dir, name: Name): PublishOutcome {
    if (this.#temporaryName === undefined) return linkUnnamed(this.fd, directory, name);
    const renamed = this.#directory.renameNoReplace(this.#temporaryName, name, directory);
    if (renamed) this.#temporaryName = undefined;
    return renamed ? 'published' : 'exists';
  }

  /** Closes the file, and removes it unless it was published; twice is harmless. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    sys.close(this.fd);
    if (this.#temporaryName !== undefined) this.#directory.unlink(this.#temporaryName);
  }
}

/** O_TMPFILE is not supported if the filesystem returns EOPNOTSUPP, or the kernel treats it as a plain open of a directory (EISDIR). */
function lacksTmpfile(errno: number): boolean {
  return errno === ERRNO.EOPNOTSUPP || errno === ERRNO.EISDIR || errno === ERRNO.ENOSYS;
}

/** Opens an unnamed file in a directory, or in one inside it; the errno as a negative number when that fails. */
export function openUnnamed(directory: Dir, mode: number, inside?: Name): number {
  const path =
    inside === undefined ? slab().address + SLAB.here : putName(inside, SLAB.nameA, 'openat');
  const flags = OPEN.tmpfile | OPEN.readWrite | OPEN.cloexec;
  const fd = sys.openat(directory.fd, path, flags, mode);
  return fd >= 0 ? fd : -lastErrno();
}

/**
 * A new invisible file in `directory`: unnamed, or with a temporary name if O_TMPFILE is not supported.
 * @param inside a directory below it near which the inode of an unnamed file is allocated
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function createTmpFile(directory: Dir, mode: number, inside?: Name): TmpFile {
  const fd = openUnnamed(directory, mode, inside);
  if (fd >= 0) return new TmpFile(fd, directory, undefined);
  if (!lacksTmpfile(-fd)) throw hostError(-fd, 'openat', directory.label);
  for (let attempt = 0; attempt < TEMPORARY_NAME_TRIES; attempt += 1) {
    const name = `.tmp-object-${randomName()}`;
    const flags = OPEN.create | OPEN.exclusive | OPEN.readWrite | OPEN.cloexec;
    const named = sys.openat(directory.fd, putName(name, SLAB.nameA, 'openat'), flags, mode);
    if (named >= 0) return new TmpFile(named, directory, name);
    const errno = lastErrno();
    if (errno !== ERRNO.EEXIST) throw hostError(errno, 'openat', directory.displayPath(name));
  }
  throw hostError(ERRNO.EEXIST, 'openat', directory.label);
}

/**
 * How this process may link a descriptor: AT_EMPTY_PATH needs no /proc and is faster, but before Linux 6.10 it needs
 * CAP_DAC_READ_SEARCH (the kernel answers ENOENT); the /proc path works for everyone.
 */
let linkByDescriptor = true;

/** Links an unnamed file under a name, without replacing an existing file. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function linkUnnamed(fd: number, directory: Dir, name: Name): PublishOutcome {
  const memory = slab();
  const destination = putName(name, SLAB.nameB, 'linkat');
  if (linkByDescriptor) {
    const empty = memory.address + SLAB.empty;
    if (sys.linkat(fd, empty, directory.fd, destination, AT.emptyPath) === 0) return 'published';
    const errno = lastErrno();
    if (errno === ERRNO.EEXIST) return 'exists';
    if (errno !== ERRNO.ENOENT) throw hostError(errno, 'linkat', directory.displayPath(name));
  }
  const source = putProcPath(fd, undefined, 'linkat');
  if (sys.linkat(AT.fdcwd, source, directory.fd, destination, AT.symlinkFollow) === 0) {
    // ENOENT above came from the missing capability, not from a missing directory: do not retry.
    linkByDescriptor = false;
    return 'published';
  }
  if (lastErrno() === ERRNO.EEXIST) return 'exists';
  return failSyscall('linkat', directory.displayPath(name));
}
