import { constants } from 'node:os';
import { HostError, isOnecopyError } from '#base/errors';
import { lastErrno, type SystemCalls } from './ffi.ts';

/** Linux errno numbers that the code compares with; x86-64 and arm64 share them (asm-generic/errno.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
  EDQUOT: 122,
  EKEYREJECTED: 129,
} as const;

const NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) NAMES.set(number, name);
for (const [name, number] of Object.entries(ERRNO)) NAMES.set(number, name);

const MEANINGS: { readonly [name: string]: string } = {
  EACCES: 'permission denied',
  EADDRINUSE: 'the name is in use',
  EBADF: 'the descriptor is not open for this',
  EBUSY: 'it is in use',
  ECONNREFUSED: 'no process listens there',
  ECONNRESET: 'the peer closed the connection',
  EDQUOT: 'the disk quota is exceeded',
  EEXIST: 'it already exists',
  EFBIG: 'the file would become too large',
  EINVAL: 'an argument is not valid for it',
  EIO: 'the device reported an input or output error',
  EISDIR: 'it is a directory',
  ELOOP: 'there are too many symbolic links',
  EMSGSIZE: 'the message is too long',
  EMFILE: 'this process has too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'it does not exist',
  ENOSPC: 'no space is left on the filesystem',
  ENOSYS: 'this kernel does not have the call',
  ENOTDIR: 'a part of the path is not a directory',
  ENOTEMPTY: 'the directory is not empty',
  ENOTSOCK: 'it is not a socket',
  ENOTTY: 'the filesystem does not have this operation',
  EOPNOTSUPP: 'the filesystem does not support this operation',
  EPIPE: 'the peer closed the connection',
  EPERM: 'the operation is not permitted',
  EROFS: 'the filesystem is read-only',
  ETXTBSY: 'the file is open for writing or being executed',
  EXDEV: 'the two files are on different filesystems',
};

const HINTS: { readonly [name: string]: string } = {
  EACCES: 'Check the owner and mode of the file and its directories, or run as a user with access',
  EDQUOT: 'Free space within the quota, or raise it',
  EMFILE: 'Raise the limit on open files (ulimit -n)',
  ENOSPC: 'Free space on the filesystem, or use another one',
  EPERM: 'Run as root or with the capability that this operation needs',
  EROFS: 'Remount the filesystem read-write, or use another one',
};

/** Symbolic name of an errno number ("ENOENT"); `E<number>` when unknown. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}

/**
 * The error for a failed system call. ENOSPC and EDQUOT become NO_SPACE, everything else SYSCALL_FAILED.
 * @param syscall name of the call, for `details.syscall`
 * @param target the file of the call, for messages
 */
export function hostError(errno: number, syscall: string, target: string): HostError {
  const name = errnoName(errno);
  const meaning = MEANINGS[name];
  const reason = meaning === undefined ? name : `${meaning} (${name})`;
  const full = errno === ERRNO.ENOSPC || errno === ERRNO.EDQUOT;
  const hint = HINTS[name];
  return new HostError(
    full ? 'NO_SPACE' : 'SYSCALL_FAILED',
    `Cannot ${verbOf(syscall)} "${target}": ${reason}`,
    { errno: name, syscall, target },
    hint === undefined ? {} : { hint },
  );
}

/** Throws the error for the system call that has just failed. Call it immediately after the failure. @throws HostError */
export function failSyscall(syscall: keyof SystemCalls | (string & {}), target: string): never {
  throw hostError(lastErrno(), syscall, target);
}

/** True when `error` is a failed system call with this errno name, for example `ENOENT`. */
export function hasErrno(error: unknown, name: keyof typeof ERRNO): boolean {
  return isOnecopyError(error) && error.kind === 'host' && error.details['errno'] === name;
}

const VERBS: { readonly [syscall: string]: string } = {
  accept4: 'accept a connection of',
  bind: 'bind a socket to',
  connect: 'connect to',
  epoll_ctl: 'wait for',
  faccessat: 'access',
  fchmod: 'change the mode of',
  fchmodat: 'change the mode of',
  fchownat: 'change the owner of',
  fdatasync: 'sync',
  fgetxattr: 'read an extended attribute of',
  flistxattr: 'list the extended attributes of',
  flock: 'lock',
  fremovexattr: 'remove an extended attribute of',
  fsconfig: 'configure the mount of',
  fsetxattr: 'set an extended attribute of',
  fsmount: 'mount',
  fsopen: 'prepare a mount of',
  fstatvfs: 'read the filesystem state of',
  fsync: 'sync',
  futimens: 'set the times of',
  ftruncate: 'set the size of',
  getsockopt: 'use as a socket',
  getdents64: 'list',
  lgetxattr: 'read an extended attribute of',
  linkat: 'link',
  listen: 'listen on',
  llistxattr: 'list the extended attributes of',
  lremovexattr: 'remove an extended attribute of',
  lsetxattr: 'set an extended attribute of',
  memfd_create: 'create in memory',
  mkdirat: 'create directory',
  mknodat: 'create node',
  mount_setattr: 'change the mount of',
  move_mount: 'attach a mount to',
  open_tree: 'clone the mount of',
  openat: 'open',
  openat2: 'open',
  pread: 'read',
  pwrite: 'write',
  recvmsg: 'receive from',
  readlinkat: 'read link',
  renameat2: 'rename',
  sendmsg: 'send to',
  socket: 'open a socket for',
  statx: 'read the state of',
  symlinkat: 'create symbolic link',
  syncfs: 'sync the filesystem of',
  umount2: 'unmount',
  unlinkat: 'remove',
  utimensat: 'set the times of',
};

function verbOf(syscall: string): string {
  return VERBS[syscall] ?? syscall;
}
