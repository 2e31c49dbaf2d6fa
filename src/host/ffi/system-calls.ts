/** The system calls that the project uses, and their C types. Only `ffi.ts` makes them. */

type Bytes = Uint8Array<ArrayBufferLike>;

/** System calls by their C library name. All return -1 on failure; then `lastErrno()` says why. Addresses point into the slab. */
export interface SystemCalls {
  accept4(fd: number, address: number, length: number, flags: number): number;
  bind(fd: number, address: number, length: number): number;
  close(fd: number): number;
  connect(fd: number, address: number, length: number): number;
  copy_file_range(
    from: number,
    fromOffset: number,
    to: number,
    toOffset: number,
    length: number,
    flags: number,
  ): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, count: number, timeoutMs: number): number;
  eventfd(value: number, flags: number): number;
  faccessat(dirfd: number, path: number, mode: number, flags: number): number;
  fchmod(fd: number, mode: number): number;
  fchmodat(dirfd: number, path: number, mode: number, flags: number): number;
  fchownat(dirfd: number, path: number, uid: number, gid: number, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  fdatasync(fd: number): number;
  fgetxattr(fd: number, name: number, value: number, sizeBytes: number): number;
  flistxattr(fd: number, list: number, sizeBytes: number): number;
  flock(fd: number, operation: number): number;
  fremovexattr(fd: number, name: number): number;
  fsetxattr(fd: number, name: number, value: number, sizeBytes: number, flags: number): number;
  fstatfs(fd: number, into: number): number;
  fstatvfs(fd: number, into: number): number;
  fsync(fd: number): number;
  ftruncate(fd: number, sizeBytes: number): number;
  futimens(fd: number, times: number): number;
  getsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  ioctl(fd: number, request: number, argument: number): number;
  lgetxattr(path: number, name: number, value: number, sizeBytes: number): number;
  linkat(fromDir: number, from: number, toDir: number, to: number, flags: number): number;
  listen(fd: number, backlog: number): number;
  llistxattr(path: number, list: number, sizeBytes: number): number;
  lremovexattr(path: number, name: number): number;
  lsetxattr(path: number, name: number, value: number, sizeBytes: number, flags: number): number;
  memfd_create(name: number, flags: number): number;
  mkdirat(dirfd: number, path: number, mode: number): number;
  mknodat(dirfd: number, path: number, mode: number, rdev: number): number;
  openat(dirfd: number, path: number, flags: number, mode: number): number;
  posix_fadvise(fd: number, offset: number, length: number, advice: number): number;
  pread(fd: number, into: Bytes, length: number, offset: number): number;
  pwrite(fd: number, from: Bytes, length: number, offset: number): number;
  read(fd: number, into: Bytes, length: number): number;
  readlinkat(dirfd: number, path: number, into: number, sizeBytes: number): number;
  recvmsg(fd: number, message: number, flags: number): number;
  renameat2(fromDir: number, from: number, toDir: number, to: number, flags: number): number;
  sendmsg(fd: number, message: number, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, into: number): number;
  statx(dirfd: number, path: number, flags: number, mask: number, into: number): number;
  symlinkat(target: number, dirfd: number, path: number): number;
  syncfs(fd: number): number;
  syscall(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
  umount2(path: number, flags: number): number;
  unlinkat(dirfd: number, path: number, flags: number): number;
  utimensat(dirfd: number, path: number, times: number, flags: number): number;
  write(fd: number, from: Bytes, length: number): number;
}

/** The C type of most results. */
export const INT = 'int';
const U32 = 'uint32_t';
const I64 = 'int64_t';
const BUFFER = 'void *';
/** The C type of an address, and of a size. */
export const ADDRESS = 'size_t';

/**
 * C signatures: result first. Variadic functions (openat, fcntl, ioctl, syscall) are declared with fixed integer parameters, which the
 * System V x86-64 and AAPCS64 conventions pass the same way.
 */
export const SIGNATURES: Record<keyof SystemCalls, readonly string[]> = {
  accept4: [INT, INT, ADDRESS, ADDRESS, INT],
  bind: [INT, INT, ADDRESS, U32],
  close: [INT, INT],
  connect: [INT, INT, ADDRESS, U32],
  copy_file_range: [I64, INT, ADDRESS, INT, ADDRESS, ADDRESS, U32],
  epoll_create1: [INT, INT],
  epoll_ctl: [INT, INT, INT, INT, ADDRESS],
  epoll_wait: [INT, INT, ADDRESS, INT, INT],
  eventfd: [INT, U32, INT],
  faccessat: [INT, INT, ADDRESS, INT, INT],
  fchmod: [INT, INT, U32],
  fchmodat: [INT, INT, ADDRESS, U32, INT],
  fchownat: [INT, INT, ADDRESS, U32, U32, INT],
  fcntl: [INT, INT, INT, ADDRESS],
  fdatasync: [INT, INT],
  fgetxattr: [I64, INT, ADDRESS, ADDRESS, ADDRESS],
  flistxattr: [I64, INT, ADDRESS, ADDRESS],
  flock: [INT, INT, INT],
  fremovexattr: [INT, INT, ADDRESS],
  fsetxattr: [INT, INT, ADDRESS, ADDRESS, ADDRESS, INT],
  fstatfs: [INT, INT, ADDRESS],
  fstatvfs: [INT, INT, ADDRESS],
  fsync: [INT, INT],
  ftruncate: [INT, INT, I64],
  futimens: [INT, INT, ADDRESS],
  getsockopt: [INT, INT, INT, INT, ADDRESS, ADDRESS],
  ioctl: [INT, INT, ADDRESS, ADDRESS],
  lgetxattr: [I64, ADDRESS, ADDRESS, ADDRESS, ADDRESS],
  linkat: [INT, INT, ADDRESS, INT, ADDRESS, INT],
  listen: [INT, INT, INT],
  llistxattr: [I64, ADDRESS, ADDRESS, ADDRESS],
  lremovexattr: [INT, ADDRESS, ADDRESS],
  lsetxattr: [INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, INT],
  memfd_create: [INT, ADDRESS, U32],
  mkdirat: [INT, INT, ADDRESS, U32],
  mknodat: [INT, INT, ADDRESS, U32, ADDRESS],
  openat: [INT, INT, ADDRESS, INT, U32],
  posix_fadvise: [INT, INT, I64, I64, INT],
  pread: [I64, INT, BUFFER, ADDRESS, I64],
  pwrite: [I64, INT, BUFFER, ADDRESS, I64],
  read: [I64, INT, BUFFER, ADDRESS],
  readlinkat: [I64, INT, ADDRESS, ADDRESS, ADDRESS],
  recvmsg: [I64, INT, ADDRESS, INT],
  renameat2: [INT, INT, ADDRESS, INT, ADDRESS, U32],
  sendmsg: [I64, INT, ADDRESS, INT],
  socket: [INT, INT, INT, INT],
  socketpair: [INT, INT, INT, INT, ADDRESS],
  statx: [INT, INT, ADDRESS, INT, U32, ADDRESS],
  symlinkat: [INT, ADDRESS, INT, ADDRESS],
  syncfs: [INT, INT],
  syscall: [I64, I64, I64, I64, I64, I64, I64, I64],
  umount2: [INT, ADDRESS, INT],
  unlinkat: [INT, INT, ADDRESS, INT],
  utimensat: [INT, INT, ADDRESS, ADDRESS, INT],
  write: [I64, INT, BUFFER, ADDRESS],
};
