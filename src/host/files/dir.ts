import { type ByteString, displayText } from '#base/bytes';
import { ERRNO, failSyscall, hasErrno, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { AT, OPEN } from '../ffi/flags.ts';
import {
  type Descriptor,
  displayPath,
  fdOf,
  type Name,
  pathOf,
  putBytes,
  putName,
} from '../ffi/name.ts';
import { type DirEntry, type EntryVisitor, readDirEntries, visitDirEntries } from './entries.ts';
import { type FileTime, HostFile, putTimes } from './file.ts';
import { randomName } from './random.ts';
import { type FileStat, fileSizeAt, statAt, statFd } from './stat.ts';
import { createTmpFile, type TmpFile } from './tmpfile.ts';

/** Attempts at a free temporary name before giving up (composefs core spec 2.2). */
const TEMPORARY_NAME_TRIES = 16;
/** Rename flags (Linux fs.h). */
const RENAME = { noReplace: 1, exchange: 2 } as const;

/** Types of nodes for `makeNode`; S_IF bits (Linux stat.h). */
const NODE_BITS = { fifo: 0x1000, character: 0x2000, block: 0x6000, socket: 0xc000 } as const;

/** A number that is never a descriptor: system calls fail with EBADF. */
const NO_FD = -1;

/** How to follow symbolic links when opening. */
export interface OpenDirOptions {
  /** Refuse when the last part of the name is a symbolic link (ELOOP, ENOTDIR). */
  readonly noFollow?: boolean;
}

/** A FIFO in the place of a stored file must not stop the program. */
const READ_NOW = OPEN.read | OPEN.nonBlock;

/**
 * A directory as a capability: an open descriptor, below which names are resolved. Every call blocks and is complete when it returns.
 *
 * Names are relative (`ab/cdef` is fine), one byte per code unit; a name that is empty, absolute, holds a NUL or climbs with `..` is
 * refused with EINVAL. Symbolic links inside the name are followed as the kernel does; untrusted trees are opened with `openBeneath`.
 * Failures are HostError SYSCALL_FAILED or NO_SPACE, with errno, system call and a readable target.
 */
export class Dir implements Disposable {
  readonly #fd: number;
  /** Its path in messages. */
  readonly label: string;
  #open = true;

  /** Wraps a descriptor and becomes its owner. */
  constructor(fd: number, label: string) {
    this.#fd = fd;
    this.label = label;
  }

  /** The open descriptor. Once disposed, none: the kernel may have handed its number out again, for another directory. */
  get fd(): number {
    return this.#open ? this.#fd : NO_FD;
  }

  /** Opens a directory by a path given as text, relative to the working directory. */
  static open(path: string): Dir {
    return Dir.openPath(pathOf(path));
  }

  /** Opens a directory by the bytes of a path. */
  static openPath(path: ByteString): Dir {
    const flags = OPEN.read | OPEN.directory | OPEN.cloexec;
    const fd = sys.openat(AT.fdcwd, putBytes(path, SLAB.nameA, 'openat'), flags, 0);
    if (fd < 0) failSyscall('openat', displayText(path));
    return new Dir(fd, displayText(path));
  }

  /** Closes the descriptor; twice is harmless. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    sys.close(this.#fd);
  }

  /** `label/name`, for messages only. */
  displayPath(name: Name): string {
    return displayPath(this.label, name);
  }

  /** Opens a directory below. */
  openDir(name: Name, options: OpenDirOptions = {}): Dir {
    return this.tryOpenDir(name, options) ?? this.#fail(ERRNO.ENOENT, 'openat', name);
  }

  /** Opens a directory below this one; undefined if the name does not exist. */
  tryOpenDir(name: Name, options: OpenDirOptions = {}): Dir | undefined {
    const follow = options.noFollow === true ? OPEN.noFollow : 0;
    const fd = this.#open_(name, OPEN.read | OPEN.directory | follow, 0);
    return fd === undefined ? undefined : new Dir(fd, this.displayPath(name));
  }

  /**
   * Opens (or creates, see `OPEN`) a file below. `mode` is subject to the umask. O_CLOEXEC is always set. By default it does not wait for the
   * writer of a FIFO, which then has no content.
   */
  openFile(name: Name, flags: number = READ_NOW, mode = 0o666): HostFile {
    return this.tryOpenFile(name, flags, mode) ?? this.#fail(ERRNO.ENOENT, 'openat', name);
  }

  /** Opens a file below this directory; undefined if the name does not exist. */
  tryOpenFile(name: Name, flags: number = READ_NOW, mode = 0o666): HostFile | undefined {
    const fd = this.#open_(name, flags, mode);
    return fd === undefined ? undefined : new HostFile(fd, this.displayPath(name));
  }

  /** As `tryOpenFile`, but returns a bare descriptor, which the caller closes with `closeFd`. For loops over tens of thousands of files. */
  tryOpenFd(name: Name, flags: number = READ_NOW): number | undefined {
    return this.#open_(name, flags, 0);
  }

  #open_(name: Name, flags: number, mode: number): number | undefined {
    const address = putName(name, SLAB.nameA, 'openat');
    const fd = sys.openat(this.fd, address, flags | OPEN.cloexec, mode);
    if (fd >= 0) return fd;
    const errno = lastErrno();
    if (errno === ERRNO.ENOENT) return undefined;
    return this.#fail(errno, 'openat', name);
  }

  /** All entries but `.` and `..`, in the order of the filesystem. */
  readEntries(): DirEntry[] {
    return readDirEntries(this);
  }

  /** Visits all entries once, see `visitDirEntries`. @throws HostError SYSCALL_FAILED */
  visitEntries(visit: EntryVisitor): void {
    visitDirEntries(this, visit);
  }

  /** State of a file, following a symbolic link; undefined if it does not exist. */
  stat(name: Name): FileStat | undefined {
    const address = putName(name, SLAB.nameA, 'statx');
    return statAt(this.fd, address, 0, () => this.displayPath(name));
  }

  /** Size in bytes of a regular file, following a symbolic link; undefined if it does not exist or has another type. */
  fileSizeOf(name: Name): number | undefined {
    const address = putName(name, SLAB.nameA, 'statx');
    return fileSizeAt(this.fd, address, () => this.displayPath(name));
  }

  /** State of a file without following a symbolic link; undefined if it does not exist. */
  lstat(name: Name): FileStat | undefined {
    const address = putName(name, SLAB.nameA, 'statx');
    return statAt(this.fd, address, AT.symlinkNoFollow, () => this.displayPath(name));
  }

  /** State of this directory. */
  statSelf(): FileStat {
    return statFd(this);
  }

  /** Creates a directory; false if the name exists. `mode` is subject to the umask. */
  mkdir(name: Name, mode = 0o777): boolean {
    if (sys.mkdirat(this.fd, putName(name, SLAB.nameA, 'mkdirat'), mode) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EEXIST) return false;
    return this.#fail(errno, 'mkdirat', name);
  }

  /** Creates a symbolic link with exactly these bytes; false if the name exists. */
  symlink(target: Name, name: Name): boolean {
    const to = putBytes(target, SLAB.nameB, 'symlinkat');
    if (sys.symlinkat(to, this.fd, putName(name, SLAB.nameA, 'symlinkat')) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EEXIST) return false;
    return this.#fail(errno, 'symlinkat', name);
  }

  /** The bytes of a symbolic link; undefined if the name does not exist. EINVAL if it is not a link. */
  readlink(name: Name): ByteString | undefined {
    const memory = slab();
    const address = putName(name, SLAB.nameA, 'readlinkat');
    const into = memory.address + SLAB.value;
    const length = sys.readlinkat(this.fd, address, into, SLAB.valueBytes);
    if (length >= 0) {
      return memory.bytes.toString('latin1', SLAB.value, SLAB.value + length) as ByteString;
    }
    const errno = lastErrno();
    if (errno === ERRNO.ENOENT) return undefined;
    return this.#fail(errno, 'readlinkat', name);
  }

  /**
   * Makes `name` a symbolic link to `target`. An existing file (not a directory) is replaced atomically: readers see the old or the new
   * link. Returns false if the link already existed. Source: composefs core spec 2.2.
   */
  replaceSymlink(target: Name, name: Name): boolean {
    if (this.symlink(target, name)) return true;
    if (this.lstat(name)?.type === 'symlink' && this.readlink(name) === target) return false;
    const slash = name.lastIndexOf('/');
    for (let attempt = 0; attempt < TEMPORARY_NAME_TRIES; attempt += 1) {
      const temporary = `${name.slice(0, slash + 1)}.symlink-${randomName()}`;
      if (!this.symlink(target, temporary)) continue;
      try {
        this.rename(temporary, name);
      } catch (error) {
        this.unlink(temporary);
        throw error;
      }
      return true;
    }
    return this.#fail(ERRNO.EEXIST, 'symlinkat', name);
  }

  /** Renames, replacing `to`, also into another directory of the same filesystem. */
  rename(from: Name, to: Name, toDir: Dir = this): void {
    this.#rename(from, toDir, to, 0);
  }

  /** Renames without replacing; false if `to` exists. */
  renameNoReplace(from: Name, to: Name, toDir: Dir = this): boolean {
    return this.#rename(from, toDir, to, RENAME.noReplace);
  }

  /** Swaps two names atomically. */
  renameExchange(from: Name, to: Name, toDir: Dir = this): void {
    this.#rename(from, toDir, to, RENAME.exchange);
  }

  #rename(from: Name, toDir: Dir, to: Name, flags: number): boolean {
    const source = putName(from, SLAB.nameA, 'renameat2');
    const destination = putName(to, SLAB.nameB, 'renameat2');
    if (sys.renameat2(this.fd, source, toDir.fd, destination, flags) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EEXIST && flags === RENAME.noReplace) return false;
    return this.#fail(errno, 'renameat2', from);
  }

  /** Removes a file that is not a directory; false if it did not exist. */
  unlink(name: Name): boolean {
    return this.#remove(name, 0);
  }

  /** Removes an empty directory; false if it did not exist. */
  rmdir(name: Name): boolean {
    return this.#remove(name, AT.removeDir);
  }

  /** Removes a directory that is empty; false when it is not, or when there is none. */
  rmdirEmpty(name: Name): boolean {
    try {
      return this.rmdir(name);
    } catch (error) {
      if (hasErrno(error, 'ENOTEMPTY') || hasErrno(error, 'EEXIST')) return false;
      throw error;
    }
  }

  #remove(name: Name, flags: number): boolean {
    if (sys.unlinkat(this.fd, putName(name, SLAB.nameA, 'unlinkat'), flags) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.ENOENT) return false;
    return this.#fail(errno, 'unlinkat', name);
  }

  /** Creates a hard link; symbolic links are linked, not followed. False if `to` exists. */
  link(from: Name, to: Name, toDir: Dir = this): boolean {
    const source = putName(from, SLAB.nameA, 'linkat');
    const destination = putName(to, SLAB.nameB, 'linkat');
    if (sys.linkat(this.fd, source, toDir.fd, destination, 0) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EEXIST) return false;
    return this.#fail(errno, 'linkat', to);
  }

  /**
   * A new file without a name in this directory's filesystem, see `TmpFile`. `mode` is subject to the umask. `inside` is a directory below
   * this one near which the filesystem allocates the inode.
   */
  tmpfile(mode = 0o644, inside?: Name): TmpFile {
    return createTmpFile(this, mode, inside);
  }

  /** Creates a device node, fifo or socket; false when the name is taken. `rdev` as in `FileStat`. */
  makeNode(name: Name, type: keyof typeof NODE_BITS, mode: number, rdev = 0): boolean {
    const address = putName(name, SLAB.nameA, 'mknodat');
    if (sys.mknodat(this.fd, address, NODE_BITS[type] | mode, rdev) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EEXIST) return false;
    return this.#fail(errno, 'mknodat', name);
  }

  /** Sets permission bits, following a symbolic link, not subject to the umask. */
  chmod(name: Name, mode: number): void {
    if (sys.fchmodat(this.fd, putName(name, SLAB.nameA, 'fchmodat'), mode, 0) !== 0) {
      failSyscall('fchmodat', this.displayPath(name));
    }
  }

  /** Sets owner and group without following a symbolic link. */
  lchown(name: Name, uid: number, gid: number): void {
    const address = putName(name, SLAB.nameA, 'fchownat');
    if (sys.fchownat(this.fd, address, uid, gid, AT.symlinkNoFollow) !== 0) {
      failSyscall('fchownat', this.displayPath(name));
    }
  }

  /** Sets access and modification time without following a symbolic link. */
  lutimens(name: Name, atime: FileTime, mtime: FileTime): void {
    const address = putName(name, SLAB.nameA, 'utimensat');
    if (sys.utimensat(this.fd, address, putTimes(atime, mtime), AT.symlinkNoFollow) !== 0) {
      failSyscall('utimensat', this.displayPath(name));
    }
  }

  /** True when the effective user may write here (false on a read-only filesystem or without permission). */
  isWritable(): boolean {
    const address = slab().address + SLAB.here;
    const W_OK = 2;
    const AT_EACCESS = 0x200;
    if (sys.faccessat(this.fd, address, W_OK, AT_EACCESS) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EACCES || errno === ERRNO.EPERM || errno === ERRNO.EROFS) return false;
    return this.#fail(errno, 'faccessat', '.');
  }

  #fail(errno: number, syscall: string, name: Name): never {
    throw hostError(errno, syscall, this.displayPath(name));
  }
}

/** The absolute path of an open file or directory, without symbolic links, from the kernel. @throws HostError SYSCALL_FAILED */
export function resolvedPathOf(file: Descriptor): ByteString {
  using descriptors = Dir.openPath('/proc/self/fd' as ByteString);
  const name = String(fdOf(file));
  return descriptors.readlink(name) ?? failMissing(descriptors, name);
}

function failMissing(directory: Dir, name: string): never {
  throw hostError(ERRNO.ENOENT, 'readlinkat', directory.displayPath(name));
}
