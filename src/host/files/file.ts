import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, syncfsInBackground, sys } from '../ffi/ffi.ts';
import { AT, OPEN } from '../ffi/flags.ts';
import { type Descriptor, fdOf, labelOf, procPath, putProcPath } from '../ffi/name.ts';
import { statFd } from './stat.ts';

/** Pieces in which whole files are read, in bytes. */
const READ_PIECE_BYTES = 1 << 20;

/**
 * An open file that closes when disposed. `fd` may be used by other threads of this process as long as this one keeps the file open.
 */
export class HostFile implements Disposable {
  readonly fd: number;
  /** Its name in messages. */
  readonly label: string;
  #open = true;

  constructor(fd: number, label: string) {
    this.fd = fd;
    this.label = label;
  }

  /** Closes the descriptor; twice is harmless. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    sys.close(this.fd);
  }

  /** Transfers ownership of the descriptor: the caller closes it, and disposing does nothing. */
  detach(): number {
    this.#open = false;
    return this.fd;
  }
}

/**
 * Opens the file behind a descriptor again with a new access mode (through /proc/self/fd), for example read-only before fs-verity.
 * The offset is new; the inode is the same, even when it has no name.
 * @throws HostError SYSCALL_FAILED
 */
export function reopen(file: Descriptor, flags: number): HostFile {
  const address = putProcPath(fdOf(file), undefined, 'openat');
  const fd = sys.openat(AT.fdcwd, address, flags | OPEN.cloexec, 0);
  if (fd < 0) failSyscall('openat', labelOf(file));
  return new HostFile(fd, labelOf(file));
}

/** Closes a bare descriptor. Errors are not reported: nothing can be done about them, and data is checked by fsync. */
export function closeFd(fd: number): void {
  sys.close(fd);
}

/**
 * Reads at `offset` until `into` is full or the file ends; returns the number of bytes read.
 * @throws HostError SYSCALL_FAILED
 */
export function readAt(file: Descriptor, into: Uint8Array, offset: number): number {
  const fd = fdOf(file);
  let done = 0;
  while (done < into.length) {
    const rest = done === 0 ? into : into.subarray(done);
    const count = sys.pread(fd, rest, rest.length, offset + done);
    if (count === 0) break;
    if (count > 0) done += count;
    else if (lastErrno() !== ERRNO.EINTR) failSyscall('pread', labelOf(file));
  }
  return done;
}

/** posix_fadvise(2): the file will be read. */
const POSIX_FADV_WILLNEED = 3;

/** Has the kernel read a file, or its first bytes, into memory while this thread goes on; nothing happens where it cannot. */
export function readAhead(file: Descriptor, lengthBytes = 0): void {
  sys.posix_fadvise(fdOf(file), 0, lengthBytes, POSIX_FADV_WILLNEED);
}

/** Reads from the current offset; may return less than fits. 0 means the end. @throws HostError SYSCALL_FAILED */
export function readSome(file: Descriptor, into: Uint8Array): number {
  for (;;) {
    const count = sys.read(fdOf(file), into, into.length);
    if (count >= 0) return count;
    if (lastErrno() !== ERRNO.EINTR) failSyscall('read', labelOf(file));
  }
}

/**
 * The whole content from offset 0, whatever the current offset. A pipe, a socket or a terminal is read to its end.
 * @param limitBytes the largest content to accept
 * @throws HostError SYSCALL_FAILED (EFBIG when the file is larger than the limit)
 */
export function readAll(file: Descriptor, limitBytes: number): Buffer {
  const pieces: Buffer[] = [];
  let { sizeBytes, type } = statFd(file);
  if (type !== 'file') return readToEnd(file, limitBytes);
  if (sizeBytes > limitBytes) throw tooLarge(file);
  const whole = Buffer.allocUnsafe(sizeBytes);
  sizeBytes = readAt(file, whole, 0);
  if (sizeBytes < whole.length) return whole.subarray(0, sizeBytes);
  // The size is only a hint: files in /proc and /sys say 0, and a growing file grows.
  for (;;) {
    const piece = Buffer.allocUnsafe(whole.length === 0 ? 65536 : 4096);
    const count = readAt(file, piece, sizeBytes);
    if (count === 0) break;
    sizeBytes += count;
    if (sizeBytes > limitBytes) throw tooLarge(file);
    pieces.push(piece.subarray(0, count));
  }
  return pieces.length === 0 ? whole : Buffer.concat([whole, ...pieces]);
}

/** Reads what has no offsets, from where it stands. */
function readToEnd(file: Descriptor, limitBytes: number): Buffer {
  const fd = fdOf(file);
  const pieces: Buffer[] = [];
  for (let sizeBytes = 0; ; ) {
    const piece = Buffer.allocUnsafe(65536);
    const count = sys.read(fd, piece, piece.length);
    if (count === 0) return Buffer.concat(pieces);
    if (count < 0) {
      if (lastErrno() !== ERRNO.EINTR) failSyscall('read', labelOf(file));
      continue;
    }
    sizeBytes += count;
    if (sizeBytes > limitBytes) throw tooLarge(file);
    pieces.push(piece.subarray(0, count));
  }
}

function tooLarge(file: Descriptor): Error {
  return hostError(ERRNO.EFBIG, 'read', labelOf(file));
}

/** Unused piece buffers. One buffer for each file would burden the garbage collector when there are many small files. */
const spareBuffers: Buffer[] = [];
const SPARE_BUFFERS_MAX = 4;

/**
 * The content in pieces of at most 1 MiB, from offset 0. A piece is valid only until the next one is requested, or the loop ends.
 * @throws HostError SYSCALL_FAILED
 */
export function* readPieces(
  file: Descriptor,
  pieceBytes: number = READ_PIECE_BYTES,
): Generator<Uint8Array, void, void> {
  const isUsual = pieceBytes === READ_PIECE_BYTES;
  const piece = (isUsual ? spareBuffers.pop() : undefined) ?? Buffer.allocUnsafe(pieceBytes);
  try {
    for (let offset = 0; ; ) {
      const count = readAt(file, piece, offset);
      if (count > 0) yield piece.subarray(0, count);
      if (count < pieceBytes) return;
      offset += count;
    }
  } finally {
    if (isUsual && spareBuffers.length < SPARE_BUFFERS_MAX) spareBuffers.push(piece);
  }
}

/** Writes all bytes at the current offset. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function writeAll(file: Descriptor, bytes: Uint8Array): void {
  const fd = fdOf(file);
  let done = sys.write(fd, bytes, bytes.length);
  while (done !== bytes.length) {
    if (done < 0) {
      if (lastErrno() !== ERRNO.EINTR) failSyscall('write', labelOf(file));
      done = 0;
    }
    const rest = bytes.subarray(done);
    const count = sys.write(fd, rest, rest.length);
    if (count < 0 && lastErrno() !== ERRNO.EINTR) failSyscall('write', labelOf(file));
    if (count > 0) done += count;
  }
}

/** Writes all bytes at `offset`; the current offset stays. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function writeAt(file: Descriptor, bytes: Uint8Array, offset: number): void {
  const fd = fdOf(file);
  for (let done = 0; done < bytes.length; ) {
    const rest = done === 0 ? bytes : bytes.subarray(done);
    const count = sys.pwrite(fd, rest, rest.length, offset + done);
    if (count >= 0) done += count;
    else if (lastErrno() !== ERRNO.EINTR) failSyscall('pwrite', labelOf(file));
  }
}

/** Sets the size; growing leaves a hole. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function truncate(file: Descriptor, sizeBytes: number): void {
  if (sys.ftruncate(fdOf(file), sizeBytes) !== 0) failSyscall('ftruncate', labelOf(file));
}

/** Writes content and metadata of one file or directory to the disk. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function fsync(file: Descriptor): void {
  if (sys.fsync(fdOf(file)) !== 0) failSyscall('fsync', labelOf(file));
}

/** Writes the content of one file to the disk. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function fdatasync(file: Descriptor): void {
  if (sys.fdatasync(fdOf(file)) !== 0) failSyscall('fdatasync', labelOf(file));
}

/** Writes the whole filesystem that holds the file to the disk: much cheaper than one fsync per file. @throws HostError */
export function syncfs(file: Descriptor): void {
  if (sys.syncfs(fdOf(file)) !== 0) failSyscall('syncfs', labelOf(file));
}

/** As `syncfs`, while this thread goes on. @throws HostError */
export async function syncfsAsync(file: Descriptor): Promise<void> {
  if ((await syncfsInBackground(fdOf(file))) === 0) return;
  // errno is in another thread. A second call returns it, unless the kernel reports a lost write only once.
  syncfs(file);
  throw hostError(ERRNO.EIO, 'syncfs', labelOf(file));
}

/** Sets permission bits (0 to 0o7777), not subject to the umask. @throws HostError SYSCALL_FAILED */
export function fchmod(file: Descriptor, mode: number): void {
  if (sys.fchmod(fdOf(file), mode) !== 0) failSyscall('fchmod', labelOf(file));
}

/** Sets owner and group; note that the kernel then clears setuid and setgid bits. @throws HostError SYSCALL_FAILED */
export function fchown(file: Descriptor, uid: number, gid: number): void {
  const memory = slab();
  const address = memory.address + SLAB.empty;
  if (sys.fchownat(fdOf(file), address, uid, gid, AT.emptyPath) !== 0) {
    failSyscall('fchownat', labelOf(file));
  }
}

/** A point in time to set: seconds since 1970 (may be negative) and nanoseconds; or leave it. */
export type FileTime = { readonly sec: bigint; readonly nsec: number } | 'omit';

const UTIME_OMIT = 0x3ffffffe;
const TIMESPEC_BYTES = 16;

/** Puts two timespec structures into the slab; returns their address. */
export function putTimes(atime: FileTime, mtime: FileTime): number {
  const memory = slab();
  let at: number = SLAB.struct;
  for (const time of [atime, mtime]) {
    memory.view.setBigInt64(at, time === 'omit' ? 0n : time.sec, true);
    memory.view.setBigInt64(at + 8, BigInt(time === 'omit' ? UTIME_OMIT : time.nsec), true);
    at += TIMESPEC_BYTES;
  }
  return memory.address + SLAB.struct;
}

/** Sets access and modification time of an open file. @throws HostError SYSCALL_FAILED */
export function futimens(file: Descriptor, atime: FileTime, mtime: FileTime): void {
  if (sys.futimens(fdOf(file), putTimes(atime, mtime)) !== 0) {
    failSyscall('futimens', labelOf(file));
  }
}

/** The path through which this process reaches an open file: for APIs that want a path. */
export function pathOfDescriptor(file: Descriptor): string {
  return procPath(fdOf(file));
}
