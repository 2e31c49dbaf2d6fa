/**
 * Field limits and rules of the composefs dumpfile, one row per dialect.
 *
 *     PATH SIZE MODE NLINK UID GID RDEV MTIME PAYLOAD CONTENT DIGEST [KEY=VALUE]...
 *
 * Source: composefs core spec 4.2 and 4.5; the C rows were measured with mkcomposefs 1.0.8.
 */

/** Rules for reading a dumpfile: those of composefs-rs, or the wider rules of C mkcomposefs. */
export type Dialect = 'composefs-rs' | 'c';

/** Differences between the dialects. Lengths in bytes, after unescaping. */
export interface DialectRules {
  readonly inlineLimit: number;
  readonly symlinkLimit: number;
  /** Follow C where C accepts or ignores what composefs-rs refuses, and the reverse. */
  readonly lenient: boolean;
}

/** The two dialects. Source: core spec 4.2 (composefs-rs), 4.5 (C). */
export const DIALECTS: { readonly [D in Dialect]: DialectRules } = {
  'composefs-rs': { inlineLimit: 512, symlinkLimit: 1024, lenient: false },
  c: { inlineLimit: 5000, symlinkLimit: 4095, lenient: true },
};

/** Longest PATH, PAYLOAD or hard link target, in bytes. Source: core spec 4.2 (PATH_MAX). */
export const PATH_LIMIT = 4096;
/** Longest file name, in bytes. composefs-rs does not check this and writes images that no kernel reads. Source: core spec 4.5. */
export const NAME_LIMIT = 255;
/** Longest xattr name, in bytes. Source: core spec 4.2 (XATTR_NAME_MAX). */
export const XATTR_NAME_LIMIT = 255;
/** Longest xattr value, in bytes. Source: core spec 4.2. */
export const XATTR_VALUE_LIMIT = 65535;
/** Largest sum of the xattr name lengths of one entry, in bytes. Source: core spec 4.2 (XATTR_LIST_MAX). */
export const XATTR_LIST_LIMIT = 65535;
/**
 * Most bytes that C allows for the xattrs of one entry: a header, and for each xattr a header with the longest padding, the name and
 * the value. Measured with mkcomposefs 1.0.8.
 */
export const C_XATTRS_LIMIT = 32767;
export const C_XATTRS_HEADER_BYTES = 12;
export const C_XATTR_BYTES = 7;
/** Longest line, in bytes: more than any valid inode needs (256 KiB of xattrs, every byte escaped); bounds memory. */
export const LINE_LIMIT = 8 * 1024 * 1024;
/** Largest file size an image can describe: 1024 chunks of 2^43 bytes. Source: core spec 5.6. */
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
