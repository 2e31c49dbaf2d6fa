/**
 * Offsets, sizes, magics and limits of composefs EROFS images. All integers are little-endian.
 * Source: composefs core spec 5.3 to 5.7, 6.1 and 6.2; Linux fs/erofs/erofs_fs.h.
 */

/** composefs image layouts: 0 and 1 are those of C mkcomposefs, 2 is the first one of composefs-rs. Source: core spec 5.1 */
export type ErofsVersion = 0 | 1 | 2;

/** Bytes of a block. */
export const BLOCK_SIZE = 4096;
/** log2 of {@link BLOCK_SIZE}. */
export const BLOCK_BITS = 12;
/** An inode begins on a multiple of this; its number (nid) is the offset divided by it. */
export const SLOT_SIZE = 32;

/** Magic at 0 of a composefs image. */
export const COMPOSEFS_MAGIC = 0xd078629a;
/** Magic at 1024 of an EROFS image. */
export const EROFS_MAGIC = 0xe0f5e1e2;

/** composefs header: u32 magic, u32 version (1), u32 flags, u32 composefs_version, 4 × u32 zero. */
export const HEADER = {
  magic: 0,
  version: 4,
  flags: 8,
  composefsVersion: 12,
  unused: 16,
  sizeBytes: 32,
} as const;
/** Flag of the composefs header: at least one inode has a POSIX ACL. */
export const HEADER_FLAG_ACL = 1;

/** Offset of the superblock. */
export const SUPERBLOCK_OFFSET = 1024;
/** Fields of the superblock, relative to {@link SUPERBLOCK_OFFSET}. */
export const SUPERBLOCK = {
  magic: 0,
  checksum: 4,
  featureCompat: 8,
  blockBits: 12,
  extSlots: 13,
  rootNid: 14,
  inodeCount: 16,
  buildTimeSec: 24,
  buildTimeNsec: 32,
  blocks: 36,
  metaBlock: 40,
  xattrBlock: 44,
  uuid: 48,
  volumeName: 64,
  featureIncompat: 80,
  compressionAlgorithms: 84,
  extraDevices: 86,
  devtSlotOffset: 88,
  dirBlockBits: 90,
  xattrPrefixCount: 91,
  xattrPrefixStart: 92,
  packedNid: 96,
  xattrFilterReserved: 104,
  reserved: 105,
  sizeBytes: 128,
} as const;
/** Compatible features a writer sets: mtime (2) and the xattr name filter (4). */
export const FEATURE_COMPAT = 6;
/** Offset of the first inode. */
export const INODES_OFFSET = 1152;

/** Compact inode header. Used when nlink, owner and size fit and mtime is the build time. */
export const COMPACT = {
  format: 0,
  xattrCount: 2,
  mode: 4,
  nlink: 6,
  size: 8,
  reserved: 12,
  union: 16,
  ino: 20,
  uid: 24,
  gid: 26,
  reserved2: 28,
  sizeBytes: 32,
} as const;
/** Extended inode header. */
export const EXTENDED = {
  format: 0,
  xattrCount: 2,
  mode: 4,
  reserved: 6,
  size: 8,
  union: 16,
  ino: 20,
  uid: 24,
  gid: 28,
  mtimeSec: 32,
  mtimeNsec: 40,
  nlink: 44,
  reserved2: 48,
  sizeBytes: 64,
} as const;

/** Data layouts, in bits 1 to 3 of `format`; bit 0 marks an extended inode. */
export const LAYOUT = { flatPlain: 0, flatInline: 4, chunkBased: 8 } as const;
/** Bits of `format` that hold the layout. */
export const LAYOUT_MASK = 0x0e;

/** Directory entry: u64 nid, u16 offset of the name from the block start, u8 file type, u8 zero. */
export const DIRENT = { nid: 0, nameOffset: 8, fileType: 10, reserved: 11, sizeBytes: 12 } as const;
/** File types of directory entries, by kind. */
export const FILE_TYPES = {
  regular: 1,
  directory: 2,
  chr: 3,
  blk: 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
} as const;

/** Per-inode xattr section: u32 name filter, u8 shared count, 7 zero bytes, then references and local entries. */
export const XATTR_HEADER = { nameFilter: 0, sharedCount: 4, reserved: 5, sizeBytes: 12 } as const;
/** Xattr entry: u8 suffix length, u8 prefix index, u16 value length, suffix, value, padding to 4. */
export const XATTR_ENTRY = { nameLength: 0, nameIndex: 1, valueLength: 2, sizeBytes: 4 } as const;
/** Name prefixes by index; a name uses the highest index whose prefix matches. V0 and V1 never use 5. */
export const XATTR_PREFIXES = [
  '',
  'user.',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.',
  'lustre.',
  'security.',
] as const;
/** The prefix index of `trusted.`. */
export const TRUSTED_INDEX = XATTR_PREFIXES.indexOf('trusted.');
/** The prefix index that V0 and V1 do not use. */
export const LUSTRE_INDEX = 5;
/** Seed of the xattr name filter; the prefix index is added. Linux fs/erofs/erofs_fs.h EROFS_XATTR_FILTER_SEED. */
export const XATTR_FILTER_SEED = 0x25bbe08f;
/** Most shared references of one inode that C writes; later ones stay local. Source: core spec 5.5 */
export const C_SHARED_LIMIT = 128;

/** Most shared references that the one-byte count of an inode holds. */
export const SHARED_COUNT_LIMIT = 255;

/** Chunk table entry of a file whose bytes are outside the image. */
export const NULL_CHUNK = 0xffffffff;
/** Largest chunk, as log2 of bytes. Source: core spec 5.6 */
export const CHUNK_BITS_LIMIT = 43;
/** Largest file size: 1024 chunks of 2^43 bytes. Source: core spec 5.6 */
export const FILE_SIZE_LIMIT = 2 ** 53;
/** i_u of every chunk-based inode in V2. */
export const V2_CHUNK_FORMAT = 31;

/** Largest image the writer produces, in bytes: block numbers and offsets fit in 32 bits. */
export const WRITER_IMAGE_LIMIT = 2 ** 32;
/** Largest image the reader opens by default, in bytes. Source: core spec 6.1 */
export const READER_IMAGE_LIMIT = 2 ** 30;
/** Number of stub whiteouts in the root of V0 and V1: `00` to `ff`. */
export const STUB_COUNT = 256;
/** Permissions of a stub whiteout. */
export const STUB_MODE = 0o644;

/** The names `00` to `ff`, always present in the root of V0 and V1 images. */
export const STUB_NAMES: readonly string[] = Array.from({ length: STUB_COUNT }, (_, value) =>
  value.toString(16).padStart(2, '0'),
);

/** Xattrs that overlayfs reads, and xattrs that mark an escaped name or whiteout. Source: core spec 5.4 */
export const OVERLAY = {
  prefix: 'trusted.overlay.',
  escapedPrefix: 'trusted.overlay.overlay.',
  metacopy: 'trusted.overlay.metacopy',
  redirect: 'trusted.overlay.redirect',
  opaque: 'trusted.overlay.opaque',
} as const;
/** Stored names of the metacopy and redirect xattrs, without the prefix. */
export const METACOPY_SUFFIX = OVERLAY.metacopy.slice('trusted.'.length);
export const REDIRECT_SUFFIX = OVERLAY.redirect.slice('trusted.'.length);
/** Bytes of a metacopy value before the digest: version 0, length, flags 0, hash id. Source: core spec 5.4 */
export const METACOPY_HEADER_BYTES = 4;
/** Kernel hash ids by digest size in bytes. Source: core spec 1.1 */
export const KERNEL_HASH_IDS: { readonly [digestBytes: number]: number } = { 32: 1, 64: 2 };
