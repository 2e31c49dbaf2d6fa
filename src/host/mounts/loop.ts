import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { OPEN } from '../ffi/flags.ts';
import { type Descriptor, fdOf, pathOf } from '../ffi/name.ts';
import { Dir } from '../files/dir.ts';
import type { HostFile } from '../files/file.ts';

/** ioctl numbers (Linux loop.h). */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CLR_FD = 0x4c01;
/** struct loop_config: u32 fd, u32 block size, loop_info64 (232 bytes), 8 x u64; flags are at 8 + 5*8 + 3*4. */
const LOOP_CONFIG = { fd: 0, blockSize: 4, flags: 60, sizeBytes: 304 } as const;
const FLAGS = { readOnly: 1, autoClear: 4, directIo: 16 } as const;
const BLOCK_BYTES = 4096;
/** Another process may take the free device before it is configured. */
const CONFIGURE_TRIES = 16;

/** A loop device that shows a file as a block device. */
export interface LoopDevice extends Disposable {
  /** Path of the device, `/dev/loopN`. */
  readonly path: string;
  readonly file: HostFile;
}

/** Options of a loop device. */
export interface LoopOptions {
  readonly readOnly?: boolean;
  /** Bypass the page cache of the backing file. */
  readonly directIo?: boolean;
}

/**
 * Shows an open file as a block device with blocks of 4096 bytes. The device frees itself when the last user (this handle, or a
 * mount) is gone, so dispose it once mounted.
 * @throws HostError SYSCALL_FAILED
 */
export function openLoopDevice(backing: Descriptor, options: LoopOptions = {}): LoopDevice {
  using devices = Dir.openPath(pathOf('/dev'));
  using control = devices.openFile('loop-control', OPEN.readWrite);
  for (let attempt = 1; ; attempt += 1) {
    const number = sys.ioctl(control.fd, LOOP_CTL_GET_FREE, 0);
    if (number < 0) failSyscall('ioctl LOOP_CTL_GET_FREE', control.label);
    const file = devices.openFile(
      `loop${number}`,
      options.readOnly === true ? OPEN.read : OPEN.readWrite,
    );
    const errno = configure(file, backing, options);
    if (errno === 0) {
      return { path: `/dev/loop${number}`, file, [Symbol.dispose]: () => file[Symbol.dispose]() };
    }
    file[Symbol.dispose]();
    if (errno !== ERRNO.EBUSY || attempt === CONFIGURE_TRIES) {
      throw hostError(errno, 'ioctl LOOP_CONFIGURE', file.label);
    }
  }
}

function configure(file: HostFile, backing: Descriptor, options: LoopOptions): number {
  const memory = slab();
  memory.bytes.fill(0, SLAB.struct, SLAB.struct + LOOP_CONFIG.sizeBytes);
  const flags =
    FLAGS.autoClear |
    (options.readOnly === true ? FLAGS.readOnly : 0) |
    (options.directIo === true ? FLAGS.directIo : 0);
  memory.view.setUint32(SLAB.struct + LOOP_CONFIG.fd, fdOf(backing), true);
  memory.view.setUint32(SLAB.struct + LOOP_CONFIG.blockSize, BLOCK_BYTES, true);
  memory.view.setUint32(SLAB.struct + LOOP_CONFIG.flags, flags, true);
  return sys.ioctl(file.fd, LOOP_CONFIGURE, memory.address + SLAB.struct) === 0 ? 0 : lastErrno();
}

/** Frees a loop device now, or when its last user is gone. @throws HostError SYSCALL_FAILED */
export function detachLoopDevice(device: LoopDevice): void {
  if (sys.ioctl(device.file.fd, LOOP_CLR_FD, 0) !== 0)
    failSyscall('ioctl LOOP_CLR_FD', device.path);
}
