import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';

/** One extent of a file: the location of its bytes on the device. */
export interface Extent {
  /** Offset in the file. */
  readonly logicalOffset: number;
  /** Offset on the device; meaningful only when `exact`. */
  readonly physicalOffset: number;
  readonly sizeBytes: number;
  /** True when another file, or another range of this file, shares the blocks. */
  readonly shared: boolean;
  /** True when the physical offset is the location of the bytes: known, allocated, not inline in metadata, and not packed with others. */
  readonly exact: boolean;
}

/** ioctl number (Linux fs.h): _IOWR('f', 11, struct fiemap). */
const FS_IOC_FIEMAP = 0xc020660b;
/** Header of struct fiemap (32 bytes) and one struct fiemap_extent (56 bytes); Linux fiemap.h. */
const FIEMAP = {
  start: 0,
  length: 8,
  flags: 16,
  mapped: 20,
  count: 24,
  headerBytes: 32,
  extentBytes: 56,
} as const;
const EXTENT = { logical: 0, physical: 8, length: 16, flags: 40 } as const;
const FLAG_SYNC = 0x1;
const EXTENT_LAST = 0x1;
const EXTENT_SHARED = 0x2000;
/** UNKNOWN, DELALLOC, ENCODED, DATA_ENCRYPTED, NOT_ALIGNED, DATA_INLINE, DATA_TAIL. */
const EXTENT_INEXACT = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400;
const EXTENTS_PER_CALL = Math.floor((SLAB.valueBytes - FIEMAP.headerBytes) / FIEMAP.extentBytes);

/**
 * The extents of a file in order of their offset, after its data has been written to the disk (FIEMAP_FLAG_SYNC). Holes have no extents.
 * @throws HostError SYSCALL_FAILED (EOPNOTSUPP if the filesystem does not support it)
 */
export function readExtents(file: Descriptor): Extent[] {
  const { view, address } = slab();
  const extents: Extent[] = [];
  let start = 0n;
  for (;;) {
    view.setBigUint64(SLAB.value + FIEMAP.start, start, true);
    view.setBigUint64(SLAB.value + FIEMAP.length, 0xffff_ffff_ffff_ffffn, true);
    view.setUint32(SLAB.value + FIEMAP.flags, FLAG_SYNC, true);
    view.setUint32(SLAB.value + FIEMAP.mapped, 0, true);
    view.setUint32(SLAB.value + FIEMAP.count, EXTENTS_PER_CALL, true);
    view.setUint32(SLAB.value + 28, 0, true);
    if (sys.ioctl(fdOf(file), FS_IOC_FIEMAP, address + SLAB.value) !== 0) {
      failSyscall('ioctl FS_IOC_FIEMAP', labelOf(file));
    }
    const mapped = view.getUint32(SLAB.value + FIEMAP.mapped, true);
    if (mapped === 0) return extents;
    let last = false;
    for (let index = 0; index < mapped; index += 1) {
      const at = SLAB.value + FIEMAP.headerBytes + index * FIEMAP.extentBytes;
      const flags = view.getUint32(at + EXTENT.flags, true);
      extents.push(decodeExtent(view, at, flags));
      const logical = view.getBigUint64(at + EXTENT.logical, true);
      start = logical + view.getBigUint64(at + EXTENT.length, true);
      last = (flags & EXTENT_LAST) !== 0;
    }
    if (last) return extents;
  }
}

function decodeExtent(view: DataView, at: number, flags: number): Extent {
  return {
    logicalOffset: Number(view.getBigUint64(at + EXTENT.logical, true)),
    physicalOffset: Number(view.getBigUint64(at + EXTENT.physical, true)),
    sizeBytes: Number(view.getBigUint64(at + EXTENT.length, true)),
    shared: (flags & EXTENT_SHARED) !== 0,
    exact: (flags & EXTENT_INEXACT) === 0,
  };
}

/** True when the file has data and every extent is shared. @throws as `readExtents` */
export function isFullyShared(file: Descriptor): boolean {
  const extents = readExtents(file);
  return extents.length > 0 && extents.every((extent) => extent.shared);
}
