import { failSyscall, hasErrno } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { EXTENT, EXTENT_FLAG, EXTENT_LAST, FIEMAP, FS_IOC_FIEMAP } from './fiemap.ts';

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

/** Writes the data of the file to the disk first (FIEMAP_FLAG_SYNC). */
const FLAG_SYNC = 0x1;
/** Flags of extents whose physical offset is not the location of the bytes. */
const EXTENT_INEXACT =
  EXTENT_FLAG.unknown |
  EXTENT_FLAG.delayed |
  EXTENT_FLAG.encoded |
  EXTENT_FLAG.encrypted |
  EXTENT_FLAG.notAligned |
  EXTENT_FLAG.inline |
  EXTENT_FLAG.tail;
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
    view.setUint32(SLAB.value + FIEMAP.reserved, 0, true);
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

/** The extents of a file if each has its own place on the device; undefined if one has not, if there are none, or if the filesystem reports none. */
export function readExactExtents(file: Descriptor): readonly Extent[] | undefined {
  try {
    const extents = readExtents(file);
    return extents.length > 0 && extents.every(({ exact }) => exact) ? extents : undefined;
  } catch (error) {
    if (!hasErrno(error, 'EOPNOTSUPP') && !hasErrno(error, 'ENOTTY')) throw error;
    return undefined;
  }
}

function decodeExtent(view: DataView, at: number, flags: number): Extent {
  return {
    logicalOffset: Number(view.getBigUint64(at + EXTENT.logical, true)),
    physicalOffset: Number(view.getBigUint64(at + EXTENT.physical, true)),
    sizeBytes: Number(view.getBigUint64(at + EXTENT.length, true)),
    shared: (flags & EXTENT_FLAG.shared) !== 0,
    exact: (flags & EXTENT_INEXACT) === 0,
  };
}

/** True when the file has data and every extent is shared. @throws as `readExtents` */
export function isFullyShared(file: Descriptor): boolean {
  const extents = readExtents(file);
  return extents.length > 0 && extents.every((extent) => extent.shared);
}
