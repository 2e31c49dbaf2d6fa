/** Kinds of records. Source: vbatts/tar-split 0.11, tar/storage: FileType, SegmentType. */
export const RECORD_TYPE = { file: 1, segment: 2 } as const;

/**
 * Longest line of a tar-split, in bytes. The headers of one member are at most three extension headers of 1 MiB and two
 * paddings; base64 adds one third.
 */
export const LINE_BYTES_MAX = 8 * 2 ** 20;

/** Longest segment, in bytes, that a writer makes of the data after the last member. Source: tar-split 0.11 reads 1 MiB at a time. */
export const TRAILER_SEGMENT_BYTES = 2 ** 20;

/** Bytes of a checksum in a file record: CRC-64/ISO, big-endian. */
export const CRC_BYTES = 8;
