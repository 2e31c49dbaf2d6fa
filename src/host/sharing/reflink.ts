import { ERRNO, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { readAt, writeAt } from '../files/file.ts';

/** ioctl numbers (Linux fs.h): _IOW(0x94, 9, int) and _IOW(0x94, 13, struct file_clone_range). */
const FICLONE = 0x40049409;
const FICLONERANGE = 0x4020940d;
/** Largest size of one copy_file_range call, so that a signal or an error loses little. */
const COPY_STEP_BYTES = 1 << 30;
/** Size of the pieces of the plain copy, if the kernel cannot copy between the two files. */
const COPY_PIECE_BYTES = 1 << 20;

/** Errors that mean "these two files cannot share extents", as opposed to a real failure. */
export function cannotShare(errno: number): boolean {
  return (
    errno === ERRNO.EOPNOTSUPP ||
    errno === ERRNO.EXDEV ||
    errno === ERRNO.ENOTTY ||
    errno === ERRNO.EINVAL ||
    errno === ERRNO.ENOSYS ||
    errno === ERRNO.EPERM
  );
}

/**
 * Makes `to` (open for writing) a reflink of all of `from`: same bytes, shared extents, atomic. False if this pair of files does not
 * support reflinks (EOPNOTSUPP, EXDEV, ENOTTY, EINVAL, ENOSYS, EPERM); then nothing has changed.
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function cloneFile(from: Descriptor, to: Descriptor): boolean {
  if (sys.ioctl(fdOf(to), FICLONE, fdOf(from)) === 0) return true;
  const errno = lastErrno();
  if (cannotShare(errno)) return false;
  throw hostError(errno, 'ioctl FICLONE', labelOf(to));
}

/** Ranges of two files, in bytes. */
export interface FileRange {
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly sizeBytes: number;
}

/**
 * Reflinks a range. Offsets (and the size, unless it ends at the end of the source) must be multiples of the filesystem's block size. False
 * if it is not supported, as for `cloneFile`.
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function cloneRange(from: Descriptor, to: Descriptor, range: FileRange): boolean {
  const memory = slab();
  memory.view.setBigInt64(SLAB.struct, BigInt(fdOf(from)), true);
  memory.view.setBigUint64(SLAB.struct + 8, BigInt(range.fromOffset), true);
  memory.view.setBigUint64(SLAB.struct + 16, BigInt(range.sizeBytes), true);
  memory.view.setBigUint64(SLAB.struct + 24, BigInt(range.toOffset), true);
  if (sys.ioctl(fdOf(to), FICLONERANGE, memory.address + SLAB.struct) === 0) return true;
  const errno = lastErrno();
  if (cannotShare(errno)) return false;
  throw hostError(errno, 'ioctl FICLONERANGE', labelOf(to));
}

/**
 * Copies a range inside the kernel (copy_file_range), which shares extents on some filesystems, or through memory if the kernel does not support it. Returns the number of bytes
 * copied: less than asked only when the source ends.
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function copyRange(from: Descriptor, to: Descriptor, range: FileRange): number {
  const memory = slab();
  const source = memory.address + SLAB.struct;
  let done = 0;
  while (done < range.sizeBytes) {
    memory.view.setBigInt64(SLAB.struct, BigInt(range.fromOffset + done), true);
    memory.view.setBigInt64(SLAB.struct + 8, BigInt(range.toOffset + done), true);
    const step = Math.min(range.sizeBytes - done, COPY_STEP_BYTES);
    const count = sys.copy_file_range(fdOf(from), source, fdOf(to), source + 8, step, 0);
    if (count === 0) break;
    if (count > 0) {
      done += count;
      continue;
    }
    const errno = lastErrno();
    if (errno === ERRNO.EINTR) continue;
    if (cannotShare(errno)) return done + copyBytes(from, to, advance(range, done));
    throw hostError(errno, 'copy_file_range', labelOf(to));
  }
  // For a source in /proc or on some network filesystems, the call returns 0 immediately: confirm the end with a plain read.
  return done > 0 || range.sizeBytes === 0 ? done : copyBytes(from, to, range);
}

function advance(range: FileRange, done: number): FileRange {
  return {
    fromOffset: range.fromOffset + done,
    toOffset: range.toOffset + done,
    sizeBytes: range.sizeBytes - done,
  };
}

/**
 * Copies a range through memory. `copyRange` may share extents where the filesystem can; this never does. Returns the number of bytes copied: less than
 * asked only when the source ends.
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function copyBytes(from: Descriptor, to: Descriptor, range: FileRange): number {
  const piece = Buffer.allocUnsafe(Math.min(COPY_PIECE_BYTES, range.sizeBytes));
  let done = 0;
  while (done < range.sizeBytes) {
    const want = piece.subarray(0, Math.min(piece.length, range.sizeBytes - done));
    const count = readAt(from, want, range.fromOffset + done);
    writeAt(to, want.subarray(0, count), range.toOffset + done);
    done += count;
    if (count < want.length) break;
  }
  return done;
}
