import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { statFd } from './stat.ts';

/** Space and state of a filesystem. */
export interface FilesystemState {
  readonly blockBytes: number;
  readonly totalBytes: number;
  /** Free for anyone. */
  readonly availableBytes: number;
  /** Free, counting what is reserved for root. */
  readonly freeBytes: number;
  readonly readOnly: boolean;
}

/** Offsets in struct statvfs of 64-bit glibc and musl (statvfs(3)). */
const STATVFS = { frsize: 8, blocks: 16, bfree: 24, bavail: 32, flag: 72 } as const;
const ST_RDONLY = 1n;

/** @throws HostError SYSCALL_FAILED */
export function readFilesystemState(file: Descriptor): FilesystemState {
  const memory = slab();
  if (sys.fstatvfs(fdOf(file), memory.address + SLAB.struct) !== 0) {
    failSyscall('fstatvfs', labelOf(file));
  }
  const field = (offset: number) => memory.view.getBigUint64(SLAB.struct + offset, true);
  const blockBytes = Number(field(STATVFS.frsize));
  return {
    blockBytes,
    totalBytes: Number(field(STATVFS.blocks)) * blockBytes,
    availableBytes: Number(field(STATVFS.bavail)) * blockBytes,
    freeBytes: Number(field(STATVFS.bfree)) * blockBytes,
    readOnly: (field(STATVFS.flag) & ST_RDONLY) !== 0n,
  };
}

/** Type of btrfs in struct statfs (Linux magic.h). */
const BTRFS_SUPER_MAGIC = 0x9123683en;
/** ioctl number (Linux btrfs.h): _IOR(0x94, 31, struct btrfs_ioctl_fs_info_args), and the offset of its 16 bytes `fsid`. */
const BTRFS_IOC_FS_INFO = 0x8400941f;
const FSID = { offset: 16, sizeBytes: 16 } as const;

/**
 * Names the filesystem of an open file or directory, equal for all its mounts and subvolumes while this host runs: physical offsets of
 * extents can be compared only within one. Devices of btrfs subvolumes differ, so that of btrfs is its UUID.
 * @throws HostError SYSCALL_FAILED
 */
export function filesystemIdOf(file: Descriptor): string {
  const memory = slab();
  const into = memory.address + SLAB.struct;
  if (sys.fstatfs(fdOf(file), into) !== 0) failSyscall('fstatfs', labelOf(file));
  if (memory.view.getBigUint64(SLAB.struct, true) !== BTRFS_SUPER_MAGIC) {
    return `device ${statFd(file).dev}`;
  }
  if (sys.ioctl(fdOf(file), BTRFS_IOC_FS_INFO, into) !== 0) {
    failSyscall('ioctl BTRFS_IOC_FS_INFO', labelOf(file));
  }
  const at = SLAB.struct + FSID.offset;
  return `btrfs ${memory.bytes.toString('hex', at, at + FSID.sizeBytes)}`;
}
