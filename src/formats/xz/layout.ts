/** Magic at the start of a stream. Source: The .xz file format 1.2.0, section 2.1.1.1. */
export const HEADER_MAGIC: readonly number[] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
/** Magic at the end of a stream ("YZ"). Source: section 2.1.2.4. */
export const FOOTER_MAGIC: readonly number[] = [0x59, 0x5a];
/** Size of the stream header, and of the stream footer, in bytes. */
export const STREAM_EDGE_BYTES = 12;
/** Id of the LZMA2 filter, the only supported filter. Source: section 5.3.1. */
export const FILTER_LZMA2 = 0x21;
/** Size of a check value by its id, in bytes; other ids are reserved. Source: section 2.1.1.2. */
export const CHECK_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x01, 4],
  [0x04, 8],
  [0x0a, 32],
]);
/** Check ids. */
export const CHECK_CRC32 = 0x01;
/** CRC64, written by `xz` and libostree. */
export const CHECK_CRC64 = 0x04;
/** SHA-256. */
export const CHECK_SHA256 = 0x0a;
