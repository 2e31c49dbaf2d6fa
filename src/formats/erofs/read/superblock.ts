import { FormatError } from '#base/errors';
import {
  BLOCK_BITS,
  COMPOSEFS_MAGIC,
  EROFS_MAGIC,
  HEADER,
  INODES_OFFSET,
  READER_IMAGE_LIMIT,
  SUPERBLOCK,
  SUPERBLOCK_OFFSET,
} from '../layout.ts';

/** Fields of the header and the superblock of an image. Offsets in bytes. */
export interface ImageHeader {
  readonly composefsVersion: number;
  readonly hasAcl: boolean;
  readonly rootNid: number;
  readonly inodeCount: bigint;
  readonly buildTimeSec: bigint;
  readonly buildTimeNsec: number;
  readonly blockSize: number;
  readonly metaOffset: number;
  readonly xattrOffset: number;
}

/** Options for opening an image. */
export interface OpenOptions {
  /** false: skip the checks of magics, versions and features that make an image a composefs image. Default true. */
  readonly restrict?: boolean;
  /** Largest image accepted, in bytes. Default 2^30. */
  readonly limitBytes?: number;
  /** Bytes per read of an image that is not in memory. Default 16 KiB. */
  readonly pageBytes?: number;
}

/** Returns a FormatError about a structure of an image. */
export function invalidImage(offset: number, what: string, reason: string): FormatError {
  return new FormatError(
    'EROFS_INVALID',
    `Cannot read the image at ${offset}: ${what}: ${reason}`,
    { offset, what },
  );
}

/**
 * Reads header and superblock of an image of `length` bytes from a view that begins at the start of the image. Refuses everything
 * that composefs never writes, unless `restrict` is false.
 * @throws FormatError EROFS_TOO_LARGE, EROFS_MAGIC_INVALID, EROFS_FEATURE_UNKNOWN, EROFS_INVALID. Source: core spec 6.1, 6.2
 */
export function readHeader(view: DataView, length: number, options: OpenOptions): ImageHeader {
  const limit = options.limitBytes ?? READER_IMAGE_LIMIT;
  if (length > limit) {
    throw new FormatError(
      'EROFS_TOO_LARGE',
      `Cannot read the image: expected at most ${limit} bytes, found ${length}`,
      { offset: 0, what: 'image', expected: limit, found: length },
    );
  }
  if (length < INODES_OFFSET) {
    throw invalidImage(0, 'header', `expected ${INODES_OFFSET} bytes, found ${length}`);
  }
  const at = SUPERBLOCK_OFFSET;
  if (options.restrict !== false) restrict(view);
  const blockBits = view.getUint8(at + SUPERBLOCK.blockBits);
  if (blockBits >= 31)
    throw invalidImage(at + SUPERBLOCK.blockBits, 'block bits', `found ${blockBits}`);
  const blockSize = 2 ** blockBits;
  const metaOffset = view.getUint32(at + SUPERBLOCK.metaBlock, true) * blockSize;
  const xattrOffset = view.getUint32(at + SUPERBLOCK.xattrBlock, true) * blockSize;
  if (metaOffset > length)
    throw invalidImage(at + SUPERBLOCK.metaBlock, 'meta block', 'is past the end');
  if (xattrOffset > length)
    throw invalidImage(at + SUPERBLOCK.xattrBlock, 'xattr block', 'is past the end');
  return {
    composefsVersion: view.getUint32(HEADER.composefsVersion, true),
    hasAcl: (view.getUint32(HEADER.flags, true) & 1) === 1,
    rootNid: view.getUint16(at + SUPERBLOCK.rootNid, true),
    inodeCount: view.getBigUint64(at + SUPERBLOCK.inodeCount, true),
    buildTimeSec: view.getBigInt64(at + SUPERBLOCK.buildTimeSec, true),
    buildTimeNsec: view.getUint32(at + SUPERBLOCK.buildTimeNsec, true),
    blockSize,
    metaOffset,
    xattrOffset,
  };
}

/** Features a composefs image may have: sb checksum 1, mtime 2, xattr filter 4; chunked files 4. Source: core spec 6.2 */
const COMPAT_ALLOWED = 0x7;
const INCOMPAT_ALLOWED = 0x4;

function restrict(view: DataView): void {
  const at = SUPERBLOCK_OFFSET;
  const magic = (offset: number, expected: number, what: string): void => {
    const found = view.getUint32(offset, true);
    if (found === expected) return;
    throw new FormatError(
      'EROFS_MAGIC_INVALID',
      `Cannot read the image: expected ${what} ${expected.toString(16)}, found ${found.toString(16)}`,
      { offset, what, expected, found },
    );
  };
  magic(HEADER.magic, COMPOSEFS_MAGIC, 'composefs magic');
  magic(HEADER.version, 1, 'header version');
  magic(at + SUPERBLOCK.magic, EROFS_MAGIC, 'EROFS magic');
  const known = (offset: number, found: number | bigint, isKnown: boolean, what: string): void => {
    if (isKnown) return;
    throw new FormatError(
      'EROFS_FEATURE_UNKNOWN',
      `Cannot read the image: ${what} ${found} is not used by composefs`,
      { offset, what, found: Number(found) },
    );
  };
  const version = view.getUint32(HEADER.composefsVersion, true);
  known(HEADER.composefsVersion, version, version <= 2, 'composefs version');
  const u8 = (field: 'blockBits' | 'extSlots' | 'xattrPrefixCount', expected: number): void => {
    const found = view.getUint8(at + SUPERBLOCK[field]);
    known(at + SUPERBLOCK[field], found, found === expected, field);
  };
  const u16 = (field: 'compressionAlgorithms' | 'extraDevices'): void => {
    const found = view.getUint16(at + SUPERBLOCK[field], true);
    known(at + SUPERBLOCK[field], found, found === 0, field);
  };
  const u32 = (field: 'featureCompat' | 'featureIncompat' | 'metaBlock', allowed: number): void => {
    const found = view.getUint32(at + SUPERBLOCK[field], true);
    known(at + SUPERBLOCK[field], found, (found & ~allowed) === 0, field);
  };
  u8('blockBits', BLOCK_BITS);
  u32('featureCompat', COMPAT_ALLOWED);
  u32('featureIncompat', INCOMPAT_ALLOWED);
  u16('compressionAlgorithms');
  u16('extraDevices');
  u8('extSlots', 0);
  u8('xattrPrefixCount', 0);
  u32('metaBlock', 0);
  const packed = view.getBigUint64(at + SUPERBLOCK.packedNid, true);
  known(at + SUPERBLOCK.packedNid, packed, packed === 0n, 'packedNid');
}
