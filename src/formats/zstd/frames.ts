import { ByteCursor } from '#base/bytes';
import { FormatError } from '#base/errors';
import {
  CHECKSUM_BYTES,
  hasChecksum,
  headerRestBytes,
  parseBlockHeader,
  SKIPPABLE_MAGIC,
  SKIPPABLE_MAGICS,
  ZSTD_MAGIC,
} from './layout.ts';

/** One frame of a zstd stream. */
export interface ZstdFrame {
  readonly kind: 'zstd' | 'skip';
  readonly offset: number;
  /** Length of the whole frame, including header and checksum. */
  readonly lengthBytes: number;
  /** Upper bound of the inflated size, summed over its blocks; 0 for a skippable frame. */
  readonly inflatedMax: number;
}

/**
 * Lists the frames of zstd data by their headers alone, without inflating.
 * Source: RFC 8878, sections 3.1.1 and 3.1.2.
 * @throws FormatError ZSTD_FRAME_INVALID, BYTES_OUT_OF_RANGE
 */
export function* walkZstdFrames(bytes: Uint8Array): Generator<ZstdFrame> {
  const cursor = new ByteCursor(bytes, 'zstd frame');
  while (cursor.remaining > 0) {
    const offset = cursor.offset;
    const magic = cursor.u32();
    if (isSkippable(magic)) {
      cursor.skip(cursor.u32());
      yield { kind: 'skip', offset, lengthBytes: cursor.offset - offset, inflatedMax: 0 };
    } else if (magic === ZSTD_MAGIC) {
      const inflatedMax = passFrame(cursor, offset);
      yield { kind: 'zstd', offset, lengthBytes: cursor.offset - offset, inflatedMax };
    } else failMagic(offset, magic);
  }
}

/** Upper bound of the inflated size of zstd data. @throws FormatError ZSTD_FRAME_INVALID, BYTES_OUT_OF_RANGE */
export function measureInflatedMax(bytes: Uint8Array): number {
  let most = 0;
  for (const { inflatedMax } of walkZstdFrames(bytes)) most += inflatedMax;
  return most;
}

export function isSkippable(magic: number): boolean {
  return magic >= SKIPPABLE_MAGIC && magic < SKIPPABLE_MAGIC + SKIPPABLE_MAGICS;
}

/** Skips the rest of a frame whose magic has been read; returns the upper bound of its inflated size. */
function passFrame(cursor: ByteCursor, offset: number): number {
  const descriptor = cursor.u8();
  cursor.skip(headerRestBytes(descriptor));
  let most = 0;
  for (let isLast = false; !isLast; ) {
    const block = requireBlock(cursor.u8() + cursor.u16() * 0x100, offset);
    isLast = block.isLast;
    cursor.skip(block.storedBytes);
    most += block.inflatedMax;
  }
  if (hasChecksum(descriptor)) cursor.skip(CHECKSUM_BYTES);
  return most;
}

export function requireBlock(header: number, offset: number) {
  const block = parseBlockHeader(header);
  return block ?? failFrame(offset, `expected a block of type 0 to 2, found ${(header >>> 1) & 3}`);
}

export function failMagic(offset: number, magic: number): never {
  failFrame(offset, `expected the magic of a frame, found 0x${magic.toString(16)}`);
}

export function failFrame(offset: number, reason: string): never {
  throw new FormatError('ZSTD_FRAME_INVALID', `Cannot read zstd frame at ${offset}: ${reason}`, {
    offset,
    what: 'zstd frame',
    reason,
  });
}
