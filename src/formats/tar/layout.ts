/** Bytes in a tar block: every header is one, every payload is padded to a whole number of them. */
export const TAR_BLOCK_BYTES = 512;

/**
 * Largest regular payload that stays inline; part of the composefs format, because it decides which files become objects.
 * Source: composefs-rs 0.9, inline threshold.
 */
export const INLINE_BYTES_MAX = 64;

/** Largest payload of one extension header (long name, long link, PAX). Source: tar-core limits as composefs-rs 0.9 sets them. */
export const EXTENSION_BYTES_MAX = 2 ** 20;

/** Most payload of all extension headers before one member, in bytes. Our limit; composefs-rs accepts one of each kind. */
export const EXTENSIONS_BYTES_MAX = 3 * EXTENSION_BYTES_MAX;

/** Most runs in the map of a sparse member. Our limit; upstream refuses sparse members. */
export const SPARSE_RUNS_MAX = 65_536;

/** Most bytes of a PAX 1.0 sparse map inside a payload: every run at its maximum length. Our limit. */
export const SPARSE_MAP_BYTES_MAX = 2 * 2 ** 20;

/** Most members of an archive that is read by name. The largest image archives have a few thousand. Our limit. */
export const ARCHIVE_MEMBERS_MAX = 262_144;

/** Longest chain of links between members of an archive that is read by name. Our limit. */
export const ARCHIVE_LINKS_MAX = 8;

/**
 * Offsets and lengths of the header fields.
 * Source: POSIX.1-2017 pax, "ustar Interchange Format"; the GNU fields: GNU tar manual, "The Standard Format" and "Old GNU Format".
 */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeFlag: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  userName: [265, 32],
  groupName: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [offset: number, length: number]>;

/** Offsets of the times in an old GNU header, in place of the prefix. Source: GNU tar manual, "Old GNU Format". */
export const GNU_TIMES = {
  access: [345, 12],
  change: [357, 12],
} as const satisfies Record<string, readonly [offset: number, length: number]>;

/** Offsets of the map in an old GNU sparse header, in place of the prefix. Source: GNU tar manual, "Old GNU Format". */
export const GNU_SPARSE = {
  runs: 386,
  runCount: 4,
  isExtended: 482,
  realSize: 483,
  /** In an extension block. */
  extendedRunCount: 21,
  extendedIsExtended: 504,
  /** One run: offset and size, 12 bytes each. */
  runBytes: 24,
} as const;

/** Magic and version, together: POSIX and old GNU. A header with neither magic is V7: no extensions, no prefix. */
export const USTAR_MAGIC = 'ustar\x0000';
export const GNU_MAGIC = 'ustar  \0';

/** Largest user or group id. Source: Linux include/linux/uidgid_types.h, 32 bits. */
export const ID_MAX = 2 ** 32 - 1;
/** Largest device number: 12 bits and 20 bits. Source: Linux include/linux/kdev_t.h new_encode_dev. */
export const DEVICE_MAJOR_MAX = 2 ** 12 - 1;
export const DEVICE_MINOR_MAX = 2 ** 20 - 1;

/** Type flags, as byte values. Source: POSIX.1-2017 pax; GNU tar manual for L, K and S. */
export const TYPE_FLAG = {
  regularOld: 0x00,
  regular: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  chr: 0x33,
  blk: 0x34,
  directory: 0x35,
  fifo: 0x36,
  contiguous: 0x37,
  gnuLongLink: 0x4b,
  gnuLongName: 0x4c,
  gnuSparse: 0x53,
  paxGlobal: 0x67,
  pax: 0x78,
} as const;
