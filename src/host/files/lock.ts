import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';

/** Many readers, or one writer. */
export type LockMode = 'shared' | 'exclusive';

/** flock(2) operations. */
const LOCK = { shared: 1, exclusive: 2, nonBlocking: 4, unlock: 8 } as const;
/** fcntl(2) commands of open file description locks, and lock types (Linux asm-generic/fcntl.h). */
const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;
const FLOCK_TYPE = { shared: 0, exclusive: 1, unlock: 2 } as const;

/**
 * Takes (or converts) the flock of an open file, waiting as long as it takes. The lock belongs to the open file description: it ends
 * when all its descriptors are closed. A conversion is not atomic: another holder may come between.
 * @throws HostError SYSCALL_FAILED
 */
export function flock(file: Descriptor, mode: LockMode): void {
  while (sys.flock(fdOf(file), LOCK[mode]) !== 0) {
    if (lastErrno() !== ERRNO.EINTR) failSyscall('flock', labelOf(file));
  }
}

/** Takes (or converts) the flock without waiting; false if another holder conflicts. @throws HostError SYSCALL_FAILED */
export function tryFlock(file: Descriptor, mode: LockMode): boolean {
  if (sys.flock(fdOf(file), LOCK[mode] | LOCK.nonBlocking) === 0) return true;
  const errno = lastErrno();
  if (errno === ERRNO.EAGAIN) return false;
  throw hostError(errno, 'flock', labelOf(file));
}

/** Releases the flock. @throws HostError SYSCALL_FAILED */
export function unlockFlock(file: Descriptor): void {
  if (sys.flock(fdOf(file), LOCK.unlock) !== 0) failSyscall('flock', labelOf(file));
}

/**
 * Takes an open file description lock on the whole file (fcntl F_OFD_SETLKW), waiting as long as it takes. An exclusive lock needs a
 * writable descriptor. OSTree's `.lock` and containers-storage use this kind. It is independent of flock.
 * @throws HostError SYSCALL_FAILED
 */
export function lockOfd(file: Descriptor, mode: LockMode): void {
  while (ofd(file, F_OFD_SETLKW, FLOCK_TYPE[mode]) !== 0) {
    if (lastErrno() !== ERRNO.EINTR) failSyscall('fcntl', labelOf(file));
  }
}

/** Takes an open file description lock without waiting; false if another holder conflicts. @throws HostError SYSCALL_FAILED */
export function tryLockOfd(file: Descriptor, mode: LockMode): boolean {
  if (ofd(file, F_OFD_SETLK, FLOCK_TYPE[mode]) === 0) return true;
  const errno = lastErrno();
  if (errno === ERRNO.EAGAIN || errno === ERRNO.EACCES) return false;
  throw hostError(errno, 'fcntl', labelOf(file));
}

/** Releases the open file description lock. @throws HostError SYSCALL_FAILED */
export function unlockOfd(file: Descriptor): void {
  if (ofd(file, F_OFD_SETLK, FLOCK_TYPE.unlock) !== 0) failSyscall('fcntl', labelOf(file));
}

/** struct flock, 64 bit: s16 type, s16 whence, s64 start (at 8), s64 length (at 16; 0 = all), s32 pid (at 24; must be 0). */
function ofd(file: Descriptor, command: number, type: number): number {
  const memory = slab();
  memory.bytes.fill(0, SLAB.struct, SLAB.struct + 32);
  memory.view.setInt16(SLAB.struct, type, true);
  return sys.fcntl(fdOf(file), command, memory.address + SLAB.struct);
}
