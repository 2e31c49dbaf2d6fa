/**
 * Field limits and rules of the composefs dumpfile, one row per dialect.
 *
 *     PATH SIZE MODE NLINK UID GID RDEV MTIME PAYLOAD CONTENT DIGEST [KEY=VALUE]...
 *
 * Source: composefs core spec 4.2 and 4.5; the C rows were measured with mkcomposefs 1.0.8.
 */

/** Whose rules a dumpfile is read by: those of composefs-rs, or the wider ones of C mkcomposefs. */
export type Dialect = 'composefs-rs' | 'c';

/** What differs between the dialects. Lengths in bytes, after unescaping. */
export interface DialectRules {
  readonly inlineLimit: number;
  readonly symlinkLimit: number;
  /** Lenient: what C accepts or ignores and composefs-rs refuses, and the other way round. */
  readonly lenient: boolean;
}

/** The two dialects. Source: core spec 4.2 (composefs-rs), 4.5 (C). */
export const DIALECTS: { readonly [D in Dialect]: DialectRules } = {
  'composefs-rs': { inlineLimit: 512, symlinkLimit: 1024, lenient: false },
  c: { inlineLimit: 5000, symlinkLimit: 4095, lenient: true },
};

/** Longest PATH, PAYLOAD or hard link target, in bytes. Source: core spec 4.2 (PATH_MAX). */
export const PATH_LIMIT = 4096;
/** Longest file name, in bytes. composefs-rs has no such check and writes images no kernel reads. Source: core spec 4.5. */
export const NAME_LIMIT = 255;
/** Longest xattr name, in bytes. Source: core spec 4.2 (XATTR_NAME_MAX). */
export const XATTR_NAME_LIMIT = 255;
/** Longest xattr value, in bytes. Source: core spec 4.2. */
export const XATTR_VALUE_LIMIT = 65535;
/** Largest sum of the xattr name lengths of one entry, in bytes. Source: core spec 4.2 (XATTR_LIST_MAX). */
export const XATTR_LIST_LIMIT = 65535;
/**
 * Most bytes that C lets the xattrs of one entry take: a header, and for each xattr its own header with the longest padding, its name
 * and its value. Measured with mkcomposefs 1.0.8.
 */
export const C_XATTRS_LIMIT = 32767;
export const C_XATTRS_HEADER_BYTES = 12;
export const C_XATTR_BYTES = 7;
/** Longest line, in bytes: above what an inode can hold (256 KiB of xattrs, every byte escaped), and a bound on memory. */
export const LINE_LIMIT = 8 * 1024 * 1024;
/** Largest file size: 1024 chunks of 2^43 bytes, the most an image can describe. Source: core spec 5.6. */
export const FILE_SIZE_LIMIT = 2 ** 53;

/** File type bits of a raw mode (stat(2)). */
export const S_IFMT = 0o170000;
/** Type bits by kind (stat(2)). */
export const TYPE_BITS = {
  fifo: 0o010000,
  chr: 0o020000,
  directory: 0o040000,
  blk: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;
