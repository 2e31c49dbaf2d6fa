import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';

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
