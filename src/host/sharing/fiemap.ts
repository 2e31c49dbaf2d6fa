/** ioctl number (Linux fs.h): _IOWR('f', 11, struct fiemap). */
export const FS_IOC_FIEMAP = 0xc020660b;
/** Header of struct fiemap (32 bytes) and one struct fiemap_extent (56 bytes); Linux fiemap.h. */
export const FIEMAP = {
  start: 0,
  length: 8,
  flags: 16,
  mapped: 20,
  count: 24,
  reserved: 28,
  headerBytes: 32,
  extentBytes: 56,
} as const;
/** Offsets in struct fiemap_extent. */
export const EXTENT = { logical: 0, physical: 8, length: 16, flags: 40 } as const;

/** The flag of the last extent of a file. */
export const EXTENT_LAST = 0x1;
/** Flags of an extent; Linux fiemap.h. */
export const EXTENT_FLAG = {
  /** Its place is not known. */
  unknown: 0x2,
  /** Not written yet: it has no place. */
  delayed: 0x4,
  /** Compressed or encrypted: the length is that of the content, not of the blocks. */
  encoded: 0x8,
  encrypted: 0x80,
  /** The place is not at a block: inline, or packed with others. */
  notAligned: 0x100,
  /** The bytes lie in the metadata. */
  inline: 0x200,
  /** The bytes are packed with those of other files. */
  tail: 0x400,
  /** Allocated and not written: it reads as zeros. */
  unwritten: 0x800,
  /** Other files, or other ranges of this file, use the same blocks. */
  shared: 0x2000,
} as const;
