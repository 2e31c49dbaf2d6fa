/**
 * tar-diff: 8 bytes of magic, then a zstd stream of operations. An operation is a byte and a LEB128 number; some then have that many bytes.
 * Source: oci-and-cli spec 5.8; oci-delta 0.1.1, recorded.
 */

/** Bytes of the magic. */
export const MAGIC_BYTES = 8;

/** The version of the operations by magic. */
export const MAGIC: ReadonlyMap<string, 1 | 2> = new Map([
  ['tardf1\n\0', 1],
  ['tardf2\n\0', 2],
]);

/** Operations. `frame` exists in version 2 only: a zstd frame whose dictionary is the whole open file. */
export const OPERATION = { data: 0, open: 1, copy: 2, addData: 3, seek: 4, frame: 5 } as const;

/** Longest path in an `open`, in bytes. */
export const PATH_BYTES_MAX = 4096;

/** Most bytes of one `addData`. */
export const ADD_BYTES_MAX = 100 << 20;

/** Largest `frame`, and largest file used with one, in bytes: both are held in memory. */
export const FRAME_BYTES_MAX = 512 << 20;

/** Largest window of a `frame`, as a power of two. */
export const WINDOW_LOG_MAX = 29;

/** Bits of a number. */
export const NUMBER_BITS = 64;
