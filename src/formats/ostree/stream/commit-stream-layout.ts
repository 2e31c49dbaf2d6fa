/*
 * Layout of the content of a commit stream; drawn and explained in docs/formats/ostree-commit-stream.md.
 * All integers are little-endian. Source: composefs-ostree 0.9.0 commit.rs (OSTree spec 3.3).
 */

/** Offset of the index of the commit object (u32). */
export const COMMIT_INDEX_OFFSET = 0;
/** Offset of the flags (u32), always 0. */
export const FLAGS_OFFSET = 4;
/** Offset of the buckets: 256 u32, entry b counts the ids whose first byte is at most b. */
export const BUCKETS_OFFSET = 8;
/** Number of buckets. */
export const BUCKETS = 256;
/** Offset of the ids, 32 bytes each, ascending. */
export const IDS_OFFSET = BUCKETS_OFFSET + BUCKETS * 4;
/** Bytes of an id. */
export const ID_BYTES = 32;
/** Bytes of an info entry: u32 offset in units of 8, u32 length, u32 external index. */
export const INFO_BYTES = 12;
/** Offset of the content position inside an info entry, in units of ALIGNMENT from the start of the content. */
export const INFO_POSITION = 0;
/** Offset of the length inside an info entry. */
export const INFO_LENGTH = 4;
/** Offset of the external index inside an info entry. */
export const INFO_EXTERNAL = 8;
/** External index that means no external content. */
export const NO_EXTERNAL = 0xffffffff;
/** Alignment of objects, in bytes from the start of the content. */
export const ALIGNMENT = 8;
/** Largest position, in units of ALIGNMENT. */
export const POSITION_MAX = 0xffffffff;
/** Longest object data, in bytes. */
export const OBJECT_DATA_MAX_BYTES = 0xffffffff;
/** Longest content of a stream that is read, in bytes: the longest inline run that a splitstream writer produces. */
export const STREAM_MAX_BYTES = 2 ** 30;
/** Named ref of a commit stream: the EROFS image made from it. Source: OSTree spec 3.2. */
export const IMAGE_REF = 'composefs.image';
