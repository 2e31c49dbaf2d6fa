import { displayText } from '#base/bytes';
import { ERRNO, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { AT, OPEN } from '../ffi/flags.ts';
import {
  type Descriptor,
  fdOf,
  labelOf,
  type Name,
  pathOf,
  putBytes,
  putName,
} from '../ffi/name.ts';
import { HostFile } from '../files/file.ts';

/** System call numbers; the same on x86-64 and arm64 (asm-generic/unistd.h, from Linux 5.2, 5.6 and 5.12). */
const NUMBER = {
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  openat2: 437,
  mount_setattr: 442,
} as const;

/** Flags and commands (Linux mount.h). */
const FSOPEN_CLOEXEC = 0x1;
const FSMOUNT_CLOEXEC = 0x1;
const FSCONFIG = { flag: 0, string: 1, fd: 5, create: 6 } as const;
const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const OPEN_TREE_CLONE = 0x1;
const MOUNT_ATTR_RDONLY = 0x1;
const MOUNT_ATTR_IDMAP = 0x100000;
const MNT_DETACH = 0x2;
const MOUNT_ATTR_SIZE = 32;
/** Longest message of a mount context, in bytes, and how many are read. */
const LOG_LINE_BYTES = 4096;
const LOG_LINES_MAX = 32;

/** A filesystem that is being configured (fsopen). Errors include the messages of the kernel. Dispose it after mounting. */
export class MountContext implements Disposable {
  readonly #file: HostFile;
  readonly #type: string;

  /** @throws HostError SYSCALL_FAILED (ENODEV when the kernel does not know the filesystem) */
  constructor(type: string) {
    this.#type = type;
    const name = putBytes(type, SLAB.nameA, 'fsopen');
    const fd = sys.syscall(NUMBER.fsopen, name, FSOPEN_CLOEXEC, 0, 0, 0, 0);
    if (fd < 0) throw hostError(lastErrno(), 'fsopen', type);
    this.#file = new HostFile(fd, `${type} mount`);
  }

  /** Sets an option without a value, such as `ro`. @throws HostError SYSCALL_FAILED */
  setFlag(key: string): void {
    this.#check(this.#configure(FSCONFIG.flag, key, 0, 0), key);
  }

  /** Sets an option to a string, such as `source`; the bytes of a ByteString are passed unchanged. @throws HostError SYSCALL_FAILED */
  setString(key: string, value: Name): void {
    this.#check(this.trySetString(key, value), key);
  }

  /** As `setString`, but returns the errno (0 for success), for options that older kernels refuse. */
  trySetString(key: string, value: Name): number {
    return this.#configure(FSCONFIG.string, key, putBytes(value, SLAB.nameB, 'fsconfig'), 0);
  }

  /** Sets an option to an open file, such as `lowerdir+` of overlay since Linux 6.15. @throws HostError SYSCALL_FAILED */
  setFile(key: string, file: Descriptor): void {
    this.#check(this.trySetFile(key, file), key);
  }

  /** As `setFile`, but returns the errno (0 for success). */
  trySetFile(key: string, file: Descriptor): number {
    return this.#configure(FSCONFIG.fd, key, 0, fdOf(file));
  }

  #configure(command: number, key: string | undefined, value: number, auxiliary: number): number {
    const name = key === undefined ? 0 : putBytes(key, SLAB.nameA, 'fsconfig');
    const result = sys.syscall(NUMBER.fsconfig, this.#file.fd, command, name, value, auxiliary, 0);
    return result === 0 ? 0 : lastErrno();
  }

  #check(errno: number, what: string): void {
    if (errno === 0) return;
    const log = this.readLog();
    const target = `${this.#type} (${what})${log.length === 0 ? '' : `: ${log.join('; ')}`}`;
    throw hostError(errno, 'fsconfig', target);
  }

  /** Builds the filesystem and returns a detached mount of it. @throws HostError SYSCALL_FAILED */
  mount(options: { readonly readOnly?: boolean } = {}): HostFile {
    this.#check(this.#configure(FSCONFIG.create, undefined, 0, 0), 'create');
    const attributes = options.readOnly === true ? MOUNT_ATTR_RDONLY : 0;
    const fd = sys.syscall(NUMBER.fsmount, this.#file.fd, FSMOUNT_CLOEXEC, attributes, 0, 0, 0);
    if (fd < 0) this.#check(lastErrno(), 'fsmount');
    return new HostFile(fd, `${this.#type} mount`);
  }

  /** Messages of the kernel about this context that have not been read yet, oldest first. */
  readLog(): string[] {
    const lines: string[] = [];
    const line = Buffer.alloc(LOG_LINE_BYTES);
    while (lines.length < LOG_LINES_MAX) {
      const count = sys.read(this.#file.fd, line, line.length);
      if (count <= 0) break;
      lines.push(line.toString('utf8', 0, count).trim());
    }
    return lines;
  }

  /** Closes the context; a mount made from it stays. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Attaches a detached mount at `name` below a directory. @throws HostError SYSCALL_FAILED */
export function attachMount(mount: Descriptor, directory: Descriptor, name: Name): void {
  const memory = slab();
  const to = putName(name, SLAB.nameB, 'move_mount');
  const from = memory.address + SLAB.empty;
  const flags = MOVE_MOUNT_F_EMPTY_PATH;
  if (sys.syscall(NUMBER.move_mount, fdOf(mount), from, fdOf(directory), to, flags, 0) !== 0) {
    throw hostError(lastErrno(), 'move_mount', `${labelOf(directory)}/${name}`);
  }
}

/** Attaches a detached mount over an open directory itself. @throws HostError SYSCALL_FAILED */
export function attachMountOver(mount: Descriptor, directory: Descriptor): void {
  const memory = slab();
  const empty = memory.address + SLAB.empty;
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  if (sys.syscall(NUMBER.move_mount, fdOf(mount), empty, fdOf(directory), empty, flags, 0) !== 0) {
    throw hostError(lastErrno(), 'move_mount', labelOf(directory));
  }
}

/**
 * A detached copy of the mount that an open directory lies on, rooted at that directory (open_tree with OPEN_TREE_CLONE).
 * @param recursive also copies what is mounted below
 * @throws HostError SYSCALL_FAILED
 */
export function cloneMount(directory: Descriptor, recursive = false): HostFile {
  const memory = slab();
  const flags = OPEN_TREE_CLONE | OPEN.cloexec | AT.emptyPath | (recursive ? AT.recursive : 0);
  const empty = memory.address + SLAB.empty;
  const fd = sys.syscall(NUMBER.open_tree, fdOf(directory), empty, flags, 0, 0, 0);
  if (fd < 0) throw hostError(lastErrno(), 'open_tree', labelOf(directory));
  return new HostFile(fd, labelOf(directory));
}

/** Changes of a mount's attributes. */
export interface MountAttributes {
  readonly readOnly?: boolean;
  /** A user namespace (open /proc/PID/ns/user) whose id mapping the mount uses. */
  readonly idMap?: Descriptor;
}

/** Changes the attributes of a mount (mount_setattr). @throws HostError SYSCALL_FAILED */
export function setMountAttributes(mount: Descriptor, attributes: MountAttributes): void {
  const memory = slab();
  const { idMap, readOnly } = attributes;
  const set =
    (readOnly === true ? MOUNT_ATTR_RDONLY : 0) + (idMap === undefined ? 0 : MOUNT_ATTR_IDMAP);
  const clear = readOnly === false ? MOUNT_ATTR_RDONLY : 0;
  memory.view.setBigUint64(SLAB.struct, BigInt(set), true);
  memory.view.setBigUint64(SLAB.struct + 8, BigInt(clear), true);
  memory.view.setBigUint64(SLAB.struct + 16, 0n, true);
  memory.view.setBigUint64(SLAB.struct + 24, BigInt(idMap === undefined ? 0 : fdOf(idMap)), true);
  const empty = memory.address + SLAB.empty;
  const at = memory.address + SLAB.struct;
  const fd = fdOf(mount);
  if (sys.syscall(NUMBER.mount_setattr, fd, empty, AT.emptyPath, at, MOUNT_ATTR_SIZE, 0) !== 0) {
    throw hostError(lastErrno(), 'mount_setattr', labelOf(mount));
  }
}

/** How to unmount. */
export interface UnmountOptions {
  /** Detach from the tree now, and unmount when the last user is gone. */
  readonly lazy?: boolean;
}

/** Unmounts what is mounted at a path (text). @throws HostError SYSCALL_FAILED (EBUSY while in use) */
export function unmount(path: string, options: UnmountOptions = {}): void {
  const bytes = pathOf(path);
  const address = putBytes(bytes, SLAB.nameA, 'umount2');
  if (sys.umount2(address, options.lazy === true ? MNT_DETACH : 0) !== 0) {
    throw hostError(lastErrno(), 'umount2', displayText(bytes));
  }
}

/** Limits on how `openBeneath` resolves a name (Linux openat2.h RESOLVE_…). */
const RESOLVE = { noMagicLinks: 0x2, noSymlinks: 0x4, beneath: 0x8, inRoot: 0x10 } as const;

/** How `openBeneath` treats symbolic links. */
export type SymlinkRule = 'beneath' | 'in-root' | 'refuse';

/**
 * Opens a name in an untrusted tree with openat2: the name cannot reach outside of the directory. `beneath` follows symbolic links that
 * stay inside (EXDEV otherwise), `in-root` treats the directory as `/`, `refuse` follows none (ELOOP).
 * @throws HostError SYSCALL_FAILED
 */
export function openBeneath(
  directory: Descriptor,
  name: Name,
  flags: number,
  rule: SymlinkRule = 'beneath',
): HostFile {
  const memory = slab();
  const address = putName(name, SLAB.nameA, 'openat2');
  const limits =
    rule === 'in-root'
      ? RESOLVE.inRoot
      : RESOLVE.beneath | (rule === 'refuse' ? RESOLVE.noSymlinks : 0);
  memory.view.setBigUint64(SLAB.struct, BigInt(flags | OPEN.cloexec), true);
  memory.view.setBigUint64(SLAB.struct + 8, (flags & OPEN.create) === 0 ? 0n : 0o666n, true);
  memory.view.setBigUint64(SLAB.struct + 16, BigInt(limits | RESOLVE.noMagicLinks), true);
  const how = memory.address + SLAB.struct;
  for (;;) {
    const fd = sys.syscall(NUMBER.openat2, fdOf(directory), address, how, 24, 0, 0);
    if (fd >= 0) return new HostFile(fd, `${labelOf(directory)}/${name}`);
    const errno = lastErrno();
    // A rename elsewhere may race with the check; the kernel asks to try again.
    if (errno !== ERRNO.EAGAIN && errno !== ERRNO.EINTR) {
      throw hostError(errno, 'openat2', `${labelOf(directory)}/${name}`);
    }
  }
}
