import { ERRNO, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { AT } from '../ffi/flags.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';

/** Type of a directory entry. */
export type FileType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'character'
  | 'block'
  | 'fifo'
  | 'socket'
  | 'unknown';

/** State of an inode. */
export interface FileStat {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Disk usage in units of 512 bytes. */
  readonly blocks512: number;
  readonly mtimeSec: bigint;
  readonly mtimeNsec: number;
  /** Time of the last change of content or metadata, in seconds. Users cannot set it. */
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  /** Device that holds the inode, as glibc's makedev (the same number as `fs.Stats.dev`). */
  readonly dev: number;
  readonly ino: bigint;
  readonly nlink: number;
  /** Device number of a device node, in the 32-bit encoding of the kernel (new_encode_dev); otherwise 0. */
  readonly rdev: number;
  /** True if the kernel reports fs-verity as enabled (STATX_ATTR_VERITY); also false if it does not report it. */
  readonly verity: boolean;
}

/** Inode types by the upper bits of st_mode (Linux stat.h S_IF…), shifted right by 12. */
const TYPE_BY_BITS: { readonly [bits: number]: FileType } = {
  1: 'fifo',
  2: 'character',
  4: 'directory',
  6: 'block',
  8: 'file',
  10: 'symlink',
  12: 'socket',
};

/** Type for the S_IFMT bits of a mode (or, already shifted, for a d_type: DT_* equals S_IF* >> 12). */
export function typeOfBits(bits: number): FileType {
  return TYPE_BY_BITS[bits] ?? 'unknown';
}

/** Offsets in struct statx (Linux stat.h, 256 bytes). */
const STATX = {
  attributes: 8,
  nlink: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  size: 40,
  blocks: 48,
  ctimeSec: 96,
  ctimeNsec: 104,
  mtimeSec: 112,
  mtimeNsec: 120,
  rdevMajor: 128,
  rdevMinor: 132,
  devMajor: 136,
  devMinor: 140,
} as const;
const STATX_BASIC_STATS = 0x7ff;
const STATX_TYPE_AND_SIZE = 0x201;
const STATX_ATTR_VERITY = 0x100000n;

/**
 * State of the file with the name at `address` (in the slab) below `dirfd`; undefined if it does not exist.
 * @throws HostError SYSCALL_FAILED
 */
export function statAt(
  dirfd: number,
  address: number,
  flags: number,
  describe: () => string,
): FileStat | undefined {
  const isThere = fillStruct(dirfd, address, flags, STATX_BASIC_STATS, describe);
  return isThere ? decodeStatx(slab().view, SLAB.struct) : undefined;
}

/** Fills the structure in the slab; false if the file does not exist. */
function fillStruct(
  dirfd: number,
  address: number,
  flags: number,
  mask: number,
  describe: () => string,
): boolean {
  if (sys.statx(dirfd, address, flags, mask, slab().address + SLAB.struct) === 0) return true;
  const errno = lastErrno();
  if (errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR) return false;
  throw hostError(errno, 'statx', describe());
}

/**
 * Size of the regular file with the name at `address` (in the slab) below `dirfd`; undefined if it does not exist or has another type. For
 * callers that need only the size of tens of thousands of files.
 * @throws HostError SYSCALL_FAILED
 */
export function fileSizeAt(
  dirfd: number,
  address: number,
  describe: () => string,
): number | undefined {
  if (!fillStruct(dirfd, address, 0, STATX_TYPE_AND_SIZE, describe)) return undefined;
  const memory = slab();
  const mode = memory.view.getUint16(SLAB.struct + STATX.mode, true);
  if (typeOfBits(mode >>> 12) !== 'file') return undefined;
  return readSize(memory.view, SLAB.struct + STATX.size);
}

/** State of an open file or directory. @throws HostError SYSCALL_FAILED */
export function statFd(file: Descriptor): FileStat {
  const memory = slab();
  const stat = statAt(fdOf(file), memory.address + SLAB.empty, AT.emptyPath, () => labelOf(file));
  if (stat === undefined) throw hostError(ERRNO.ENOENT, 'statx', labelOf(file));
  return stat;
}

function decodeStatx(view: DataView, at: number): FileStat {
  const mode = view.getUint16(at + STATX.mode, true);
  return {
    type: typeOfBits(mode >>> 12),
    mode: mode & 0o7777,
    uid: view.getUint32(at + STATX.uid, true),
    gid: view.getUint32(at + STATX.gid, true),
    sizeBytes: readSize(view, at + STATX.size),
    blocks512: readSize(view, at + STATX.blocks),
    mtimeSec: view.getBigInt64(at + STATX.mtimeSec, true),
    mtimeNsec: view.getUint32(at + STATX.mtimeNsec, true),
    ctimeSec: Number(view.getBigInt64(at + STATX.ctimeSec, true)),
    ctimeNsec: view.getUint32(at + STATX.ctimeNsec, true),
    dev: encodeDevice(
      view.getUint32(at + STATX.devMajor, true),
      view.getUint32(at + STATX.devMinor, true),
    ),
    ino: view.getBigUint64(at + STATX.ino, true),
    nlink: view.getUint32(at + STATX.nlink, true),
    rdev: encodeDevice(
      view.getUint32(at + STATX.rdevMajor, true),
      view.getUint32(at + STATX.rdevMinor, true),
    ),
    verity: (view.getBigUint64(at + STATX.attributes, true) & STATX_ATTR_VERITY) !== 0n,
  };
}

/** A kernel size: below 2^63, and no filesystem here reaches 2^53. */
function readSize(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** Kernel new_encode_dev: minor bits 0-7, major bits 8-19, minor bits 8-19 at 20-31 (Linux kdev_t.h). */
export function encodeDevice(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + ((minor >>> 8) & 0xfff) * 0x10_0000;
}

/** Splits a device number of `encodeDevice`. */
export function decodeDevice(device: number): { readonly major: number; readonly minor: number } {
  const high = Math.floor(device / 0x10_0000);
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) + high * 0x100 };
}
