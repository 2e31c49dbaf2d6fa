/**
 * Messages between the kernel and a FUSE server. All numbers have the byte order of the host, which is little-endian on every processor that
 * onecopy runs on. Source: Linux include/uapi/linux/fuse.h, protocol 7.31 to 7.45.
 */

/** The protocol version of the server. Later minor versions of the kernel only add features that it does not request. */
export const PROTOCOL = { major: 7, minor: 40 } as const;

/** Operations of a read-only filesystem, by name. */
export const OPCODE = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  readlink: 5,
  open: 14,
  read: 15,
  statfs: 17,
  release: 18,
  getxattr: 22,
  listxattr: 23,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  readdirplus: 44,
} as const;

/** Header of a request. */
export const IN_HEADER = { sizeBytes: 40, length: 0, opcode: 4, unique: 8, nodeId: 16 } as const;
/** Header of a reply. */
export const OUT_HEADER = { sizeBytes: 16, length: 0, error: 4, unique: 8 } as const;
/** Body of `read`, `readdir` and `readdirplus`. */
export const READ_IN = { sizeBytes: 40, handle: 0, offset: 8, length: 16 } as const;
/** Body of `release`. */
export const RELEASE_IN = { sizeBytes: 24, handle: 0 } as const;
/** Body of `getxattr` and `listxattr`; the name follows. */
export const XATTR_IN = { sizeBytes: 8, length: 0 } as const;
/** Body of `init`; kernels before 7.36 send the first 16 bytes. */
export const INIT_IN = { sizeBytes: 16, major: 0, minor: 4, readAhead: 8, flags: 12, flags2: 16 };
export const INIT_OUT = {
  sizeBytes: 64,
  major: 0,
  minor: 4,
  readAhead: 8,
  flags: 12,
  maxBackground: 16,
  congestion: 18,
  maxWrite: 20,
  timeGranularity: 24,
  maxPages: 28,
  flags2: 32,
  stackDepth: 36,
} as const;
export const ATTRIBUTES = {
  sizeBytes: 88,
  inode: 0,
  size: 8,
  blocks: 16,
  atimeSec: 24,
  mtimeSec: 32,
  ctimeSec: 40,
  atimeNsec: 48,
  mtimeNsec: 52,
  ctimeNsec: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  rdev: 76,
  blockSize: 80,
} as const;
/** An entry: node, times for which it holds, attributes. */
export const ENTRY_OUT = {
  sizeBytes: 128,
  nodeId: 0,
  entryValidSec: 16,
  attributesValidSec: 24,
  attributes: 40,
} as const;
export const ATTRIBUTES_OUT = { sizeBytes: 104, validSec: 0, attributes: 16 } as const;
export const OPEN_OUT = { sizeBytes: 16, handle: 0, flags: 8, backingId: 12 } as const;
export const XATTR_OUT = { sizeBytes: 8, length: 0 } as const;
export const STATFS_OUT = { sizeBytes: 80, blockSize: 40, nameLength: 44, fragmentSize: 48 };
export const DIRENT = { sizeBytes: 24, inode: 0, next: 8, nameLength: 16, type: 20, align: 8 };

/** Flags of `init`, the low and the high 32 bits. */
export const INIT_FLAG = {
  asyncRead: 1 << 0,
  exportSupport: 1 << 4,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirectIo: 1 << 15,
  parallelDirectories: 1 << 18,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  noOpendir: 1 << 24,
  extended: 1 << 30,
} as const;
/** FUSE_PASSTHROUGH, bit 37. */
export const INIT_FLAG2 = { passthrough: 1 << 5 } as const;

/** Flags of an opened file. */
export const OPEN_FLAG = {
  keepCache: 1 << 1,
  cacheDirectory: 1 << 3,
  passthrough: 1 << 7,
} as const;

/** The root. */
export const ROOT_NODE = 1;

/** Smallest buffer that the kernel accepts for requests, in bytes (FUSE_MIN_READ_BUFFER). */
export const REQUEST_BYTES_MIN = 8192;
/** Longest name of an entry or an attribute, in bytes (Linux limits.h). */
export const NAME_BYTES_MAX = 255;
