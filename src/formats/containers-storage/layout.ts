/** Maximum size of a `layers.json` or `images.json` that is read, in bytes; stores of ten thousand layers have some 6 MiB. Our limit. */
export const RECORDS_BYTES_MAX = 64 * 2 ** 20;

/** Maximum number of records in one file. Our limit. */
export const RECORDS_MAX = 200_000;

/** Maximum length of a chain of layers. Source: containers/storage 1.65, overlay driver, maxDepth. */
export const LAYER_DEPTH_MAX = 500;

/** An id of an image or layer: 64 lower-case hex digits. Source: containers/storage, pkg/stringid. */
export const ID_PATTERN = /^[0-9a-f]{64}$/;

/** Bytes of a last-writer stamp at the start of a lock file. Source: containers/storage, pkg/lockfile, lastwrite.go. */
export const STAMP = {
  bytes: 64,
  /** Nanoseconds since 1970, u64. */
  timeAt: 0,
  /** Counter of the process, u64. */
  counterAt: 8,
  /** Process id, u32. */
  pidAt: 16,
  /** Random bytes up to the end. */
  randomAt: 20,
} as const;

/** The codes of `compression` in a layer record. Source: containers/storage, pkg/archive/archive_zstd.go and archive.go. */
export const COMPRESSION_CODE = { none: 0, bzip2: 1, gzip: 2, xz: 3, zstd: 4 } as const;

/** Names of the short links in `overlay/l`: their length and letters. Source: overlay driver, generateID. */
export const LINK_NAME = { length: 26, letters: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567' } as const;
