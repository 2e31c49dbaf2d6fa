import { ByteCursor } from '#base/bytes';
import { FormatError } from '#base/errors';
import { SKIPPABLE_MAGIC, ZSTD_BLOCK_BYTES_MAX, ZSTD_MAGIC } from './layout.ts';

/** One frame of a zstd stream. */
export interface ZstdFrame {
  readonly kind: 'zstd' | 'skip';
  readonly offset: number;
  /** All of it, header and checksum included. */
  readonly lengthBytes: number;
  /** The most that it can inflate to, counted from its blocks; 0 for a skippable frame. */
  readonly inflatedMax: number;
}

const NUMBER_OF_MAGICS = 16;
const BLOCK = { raw: 0, rle: 1, compressed: 2 } as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/**
 * The frames of zstd data, by their headers alone: nothing is inflated.
 * Source: RFC 8878, sections 3.1.1 and 3.1.2.
 * @throws FormatError ZSTD_FRAME_INVALID, BYTES_OUT_OF_RANGE
 */
export function* walkZstdFrames(bytes: Uint8Array): Generator<ZstdFrame> {
  const cursor = new ByteCursor(bytes, 'zstd frame');
  while (cursor.remaining > 0) {
    const offset = cursor.offset;
    const magic = cursor.u32();
    if (magic >= SKIPPABLE_MAGIC && magic < SKIPPABLE_MAGIC + NUMBER_OF_MAGICS) {
      cursor.skip(cursor.u32());
      yield { kind: 'skip', offset, lengthBytes: cursor.offset - offset, inflatedMax: 0 };
    } else if (magic === ZSTD_MAGIC) {
      const inflatedMax = passFrame(cursor, offset);
      yield { kind: 'zstd', offset, lengthBytes: cursor.offset - offset, inflatedMax };
    } else {
      failFrame(offset, `expected the magic of a frame, found 0x${magic.toString(16)}`);
    }
  }
}

/** The most that zstd data can inflate to. @throws FormatError ZSTD_FRAME_INVALID, BYTES_OUT_OF_RANGE */
export function measureInflatedMax(bytes: Uint8Array): number {
  let most = 0;
  for (const { inflatedMax } of walkZstdFrames(bytes)) most += inflatedMax;
  return most;
}

/** Moves behind a frame whose magic has been read; returns the most that its blocks hold. */
function passFrame(cursor: ByteCursor, offset: number): number {
  const descriptor = cursor.u8();
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const sizeFlag = descriptor >>> 6;
  if (!isSingleSegment) cursor.skip(1);
  cursor.skip(DICTIONARY_ID_BYTES[descriptor & 0x03] ?? 0);
  cursor.skip(sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0));
  let most = 0;
  for (let isLast = false; !isLast; ) {
    const header = cursor.u8() + cursor.u16() * 0x100;
    isLast = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type > BLOCK.compressed)
      failFrame(offset, `expected a block of type 0 to 2, found ${type}`);
    cursor.skip(type === BLOCK.rle ? 1 : size);
    most += type === BLOCK.compressed ? ZSTD_BLOCK_BYTES_MAX : size;
  }
  if (hasChecksum) cursor.skip(4);
  return most;
}

function failFrame(offset: number, reason: string): never {
  throw new FormatError('ZSTD_FRAME_INVALID', `Cannot read zstd frame at ${offset}: ${reason}`, {
    offset,
    what: 'zstd frame',
    reason,
  });
}
