/** Magic of a zstd frame, little-endian. Source: RFC 8878, section 3.1.1. */
export const ZSTD_MAGIC = 0xfd2fb528;
/** First of sixteen magics of a skippable frame. Source: RFC 8878, section 3.1.2. */
export const SKIPPABLE_MAGIC = 0x184d2a50;
/** Number of magics of skippable frames, from SKIPPABLE_MAGIC on. Source: RFC 8878, section 3.1.2. */
export const SKIPPABLE_MAGICS = 16;
/** Magic and length of a skippable frame. */
export const SKIPPABLE_HEADER_BYTES = 8;
/** Largest content of one zstd block. Source: RFC 8878, section 3.1.1.2.4. */
export const ZSTD_BLOCK_BYTES_MAX = 128 * 1024;
/** Header of a block. Source: RFC 8878, section 3.1.1.2. */
export const BLOCK_HEADER_BYTES = 3;
/** Checksum after the last block of a frame that has one. Source: RFC 8878, section 3.1.1. */
export const CHECKSUM_BYTES = 4;

/** Types of blocks; 3 is reserved. Source: RFC 8878, section 3.1.1.2.2. */
export const BLOCK_TYPE = { raw: 0, rle: 1, compressed: 2 } as const;

/** Field sizes in bytes by the flags of the frame header descriptor. Source: RFC 8878, section 3.1.1.1.1. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** Bytes of a frame header after its descriptor. */
export function headerRestBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const window = isSingleSegment ? 0 : 1;
  const size = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
  return window + (DICTIONARY_ID_BYTES[descriptor & 0x03] ?? 0) + size;
}

/** Whether a checksum follows the last block. */
export function hasChecksum(descriptor: number): boolean {
  return (descriptor & 0x04) !== 0;
}

/** The content of a block header. */
export interface BlockHeader {
  readonly isLast: boolean;
  /** Bytes of the block after its header. */
  readonly storedBytes: number;
  /** Upper bound of the inflated size. */
  readonly inflatedMax: number;
}

/** Undefined for the reserved type. */
export function parseBlockHeader(header: number): BlockHeader | undefined {
  const type = (header >>> 1) & 3;
  if (type > BLOCK_TYPE.compressed) return undefined;
  const size = header >>> 3;
  return {
    isLast: (header & 1) !== 0,
    storedBytes: type === BLOCK_TYPE.rle ? 1 : size,
    inflatedMax: type === BLOCK_TYPE.compressed ? ZSTD_BLOCK_BYTES_MAX : size,
  };
}
