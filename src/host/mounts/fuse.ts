import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { OPEN } from '../ffi/flags.ts';
import { type Descriptor, fdOf } from '../ffi/name.ts';
import { Dir } from '../files/dir.ts';
import type { HostFile } from '../files/file.ts';

/**
 * ioctl numbers _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t), and the offsets of the structure. Source: Linux fuse.h,
 * since 6.9.
 */
const FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
const FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;
const BACKING_MAP = { sizeBytes: 16, fd: 0 } as const;

/** Opens a new connection, which is then mounted. @throws HostError SYSCALL_FAILED (ENOENT, ENODEV where the kernel has no FUSE; EACCES) */
export function openFuseDevice(): HostFile {
  using devices = Dir.open('/dev');
  return devices.openFile('fuse', OPEN.readWrite);
}

/**
 * Waits for the next request; blocks the thread. Several threads may wait for one connection.
 * @returns its length in bytes; undefined when the filesystem is unmounted
 * @throws HostError SYSCALL_FAILED
 */
export function receiveFuseRequest(device: Descriptor, into: Uint8Array): number | undefined {
  for (;;) {
    const count = sys.read(fdOf(device), into, into.length);
    if (count > 0) return count;
    const errno = count === 0 ? ERRNO.ENODEV : lastErrno();
    if (errno === ERRNO.ENODEV) return undefined;
    // A request that was interrupted before it was read is gone (ENOENT).
    if (errno !== ERRNO.EINTR && errno !== ERRNO.EAGAIN && errno !== ERRNO.ENOENT) {
      throw hostError(errno, 'read', '/dev/fuse');
    }
  }
}

/** Sends one reply. A request that nobody waits for any more takes none. @throws HostError SYSCALL_FAILED (EINVAL) */
export function sendFuseReply(device: Descriptor, reply: Uint8Array): void {
  while (sys.write(fdOf(device), reply, reply.length) < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.ENOENT || errno === ERRNO.ENODEV) return;
    if (errno !== ERRNO.EINTR) throw hostError(errno, 'write', '/dev/fuse');
  }
}

/**
 * Gives a file to the kernel, which then reads it without the server (passthrough). The descriptor may be closed afterwards.
 * @returns a number for the reply to `open`; undefined where the kernel or the filesystem of the file does not have it
 */
export function openFuseBacking(device: Descriptor, file: Descriptor): number | undefined {
  const { address, bytes, view } = slab();
  bytes.fill(0, SLAB.struct, SLAB.struct + BACKING_MAP.sizeBytes);
  view.setInt32(SLAB.struct + BACKING_MAP.fd, fdOf(file), true);
  const id = sys.ioctl(fdOf(device), FUSE_DEV_IOC_BACKING_OPEN, address + SLAB.struct);
  return id > 0 ? id : undefined;
}

/** Takes such a file back; what is open stays readable. */
export function closeFuseBacking(device: Descriptor, backingId: number): void {
  const { address, view } = slab();
  view.setUint32(SLAB.struct, backingId, true);
  if (sys.ioctl(fdOf(device), FUSE_DEV_IOC_BACKING_CLOSE, address + SLAB.struct) !== 0) {
    failSyscall('ioctl FUSE_DEV_IOC_BACKING_CLOSE', '/dev/fuse');
  }
}
