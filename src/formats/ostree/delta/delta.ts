import type { OstreeChecksum } from '#base/digest';
import { FormatError, IntegrityError, UnsupportedError } from '#base/errors';
import {
  BYTE,
  encodeVariant,
  lookupVariant,
  parseVariant,
  type ValueOf,
  type VariantDict,
} from '#formats/gvariant';
import {
  CHECKSUM_BYTES,
  COMMIT_TYPE,
  INLINE_PART_TYPE,
  SIGNED_DELTA_MAGIC,
  SIGNED_DELTA_TYPE,
  SUPERBLOCK_TYPE,
} from '../layout.ts';
import { type Commit, commitOf } from '../objects/commit.ts';
import {
  checksumOf,
  computeMetadataChecksum,
  type DeltaObjectKind,
  objectKindOf,
  requireChecksum,
  requireMetadataSize,
} from '../objects/objects.ts';
import { swap32, swap64 } from '../objects/swap.ts';
import { type DeltaName, deltaFolder, deltaPartPath } from './delta-names.ts';

/** Largest part file, in bytes. Source: OSTree spec 9.5. */
export const DELTA_PART_MAX_BYTES = 256 * 1024 * 1024;
/** Largest part after decompression, in bytes. Source: OSTree spec 9.5. */
export const DELTA_PART_UNPACKED_MAX_BYTES = 1024 * 1024 * 1024;
/** The newest known part version. */
const PART_VERSION = 0;
/** An object in a part's list: kind and checksum. */
const PART_OBJECT_BYTES = 1 + CHECKSUM_BYTES;

/** Larger average object sizes mean that sizes are read in the wrong byte order: 4 GiB. Source: OSTree spec 1.4. */
const OBJECT_PLAUSIBLE_BYTES = 0x100000000n;

/** An object that a part produces, or that must be fetched loose. */
export interface DeltaObject {
  readonly kind: DeltaObjectKind;
  readonly checksum: OstreeChecksum;
}

/** A part as described in the superblock. */
export interface DeltaPartInfo {
  readonly index: number;
  readonly version: number;
  /** SHA-256 of the part file. */
  readonly checksum: OstreeChecksum;
  /** Size of the part file, in bytes. */
  readonly sizeBytes: bigint;
  /** Sum of the content sizes of the produced objects; a hint. */
  readonly unpackedBytes: bigint;
  /** In the order in which the part produces them. */
  readonly objects: readonly DeltaObject[];
}

/** An object that the delta omits because it would not shrink: fetched like any loose object. */
export interface DeltaFallback extends DeltaObject {
  readonly sizeBytes: bigint;
  readonly unpackedBytes: bigint;
}

/** The superblock of a static delta. */
export interface Superblock extends DeltaName {
  /** User metadata, endianness, inline parts, detached metadata of the target. */
  readonly metadata: VariantDict;
  readonly timestampSec: bigint;
  readonly commit: Commit;
  /** The target commit object; its checksum was verified against `to`. */
  readonly commitBytes: Uint8Array;
  readonly parts: readonly DeltaPartInfo[];
  readonly fallbacks: readonly DeltaFallback[];
}

/** A delta file: a superblock, possibly in a signed wrapper. */
export interface Delta {
  readonly superblock: Superblock;
  /** The signed bytes. A view. */
  readonly superblockBytes: Uint8Array;
  /** Signatures of the wrapper by scheme; undefined without a wrapper. */
  readonly signatures: VariantDict | undefined;
}

/** The bytes of a part: its first byte states the compression of the rest. */
export interface DeltaPartBytes {
  readonly compression: number;
  readonly data: Uint8Array;
}

/**
 * Parses a superblock, with or without the signed wrapper; signatures are not verified here.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_DELTA_INVALID, OSTREE_CHECKSUM_LENGTH, OSTREE_METADATA_TOO_LARGE;
 * UnsupportedError OSTREE_DELTA_UNSUPPORTED; IntegrityError OSTREE_CHECKSUM_MISMATCH when the commit inside differs
 * from `to`
 */
export function parseDelta(bytes: Uint8Array): Delta {
  requireMetadataSize(bytes, 'delta');
  if (!isSignedDelta(bytes)) {
    return { superblock: parseSuperblock(bytes), superblockBytes: bytes, signatures: undefined };
  }
  const [, superblockBytes, signatures] = parseVariant(bytes, SIGNED_DELTA_TYPE, {
    what: 'signed delta',
  });
  return { superblock: parseSuperblock(superblockBytes), superblockBytes, signatures };
}

/**
 * Verifies that a delta leads to the requested commit, from the expected source commit.
 * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH
 */
export function verifyDeltaName(superblock: Superblock, expected: DeltaName): void {
  requireChecksum(superblock.to, expected.to, 'target of delta');
  const { from } = superblock;
  if (from === expected.from) return;
  throw new IntegrityError(
    'OSTREE_CHECKSUM_MISMATCH',
    `Cannot use delta: expected source ${expected.from ?? 'nothing'}, found ${from ?? 'nothing'}`,
    { expected: expected.from ?? '', found: from ?? '', what: 'source of delta' },
  );
}

/** The bytes of a part inside the superblock, or undefined when it is a separate file. */
export function inlinePartOf(superblock: Superblock, index: number): DeltaPartBytes | undefined {
  const key = deltaPartPath(superblock, index);
  const part = lookupVariant(superblock.metadata, key, INLINE_PART_TYPE);
  return part === undefined ? undefined : { compression: part[0], data: part[1] };
}

/** The detached metadata of the target commit inside the superblock, or undefined. */
export function inlineCommitmetaOf(superblock: Superblock): VariantDict | undefined {
  const key = `${deltaFolder(superblock)}commitmeta`;
  const found = superblock.metadata.find(([name]) => name === key)?.[1];
  return found?.type.signature === 'a{sv}' ? (found.value as VariantDict) : undefined;
}

/**
 * Splits a part file into compression and data.
 * @throws FormatError OSTREE_DELTA_INVALID when it is empty
 */
export function splitPartFile(file: Uint8Array): DeltaPartBytes {
  const compression = file[0];
  if (compression === undefined) failDelta('a part with a compression byte', 'no bytes');
  return { compression, data: file.subarray(1) };
}

function isSignedDelta(bytes: Uint8Array): boolean {
  if (bytes.length < 8) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getBigUint64(0, false) === SIGNED_DELTA_MAGIC;
}

type Frame = ValueOf<typeof SUPERBLOCK_TYPE>;

function parseSuperblock(bytes: Uint8Array): Superblock {
  const frame = parseVariant(bytes, SUPERBLOCK_TYPE, { what: 'superblock' });
  const [metadata, timestamp, from, to, commitFrame, recursion, rawParts, rawFallbacks] = frame;
  if (recursion.length !== 0) unsupported('recursion', `${recursion.length} bytes`);
  const target = checksumOf(to, 'target of superblock');
  const commitBytes = encodeVariant(commitFrame, COMMIT_TYPE);
  requireChecksum(computeMetadataChecksum(commitBytes), target, 'commit of superblock');
  const isSwapped = isByteSwapped(metadata, rawParts);
  const size = (value: bigint): bigint => (isSwapped ? swap64(value) : value);
  return {
    metadata,
    timestampSec: swap64(timestamp),
    from: from.length === 0 ? undefined : checksumOf(from, 'source of superblock'),
    to: target,
    commit: commitOf(commitFrame),
    commitBytes,
    parts: rawParts.map((part, index) => partInfoOf(part, index, isSwapped)),
    fallbacks: rawFallbacks.map(([kind, checksum, packed, unpacked]) => ({
      kind: deltaKindOf(kind),
      checksum: checksumOf(checksum, 'fallback of superblock'),
      sizeBytes: size(packed),
      unpackedBytes: size(unpacked),
    })),
  };
}

function partInfoOf(part: Frame[6][number], index: number, isSwapped: boolean): DeltaPartInfo {
  const [version, checksum, size, unpacked, objects] = part;
  return {
    index,
    version: isSwapped ? swap32(version) : version,
    checksum: checksumOf(checksum, `part ${index} of superblock`),
    sizeBytes: isSwapped ? swap64(size) : size,
    unpackedBytes: isSwapped ? swap64(unpacked) : unpacked,
    objects: partObjectsOf(objects),
  };
}

/** @throws UnsupportedError OSTREE_DELTA_UNSUPPORTED when the part has a newer version */
export function requirePartVersion(info: DeltaPartInfo): void {
  if (info.version > PART_VERSION) unsupported('part version', String(info.version));
}

function partObjectsOf(bytes: Uint8Array): DeltaObject[] {
  if (bytes.length % PART_OBJECT_BYTES !== 0) {
    failDelta(`an object list in units of ${PART_OBJECT_BYTES} bytes`, `${bytes.length} bytes`);
  }
  const objects: DeltaObject[] = [];
  for (let at = 0; at < bytes.length; at += PART_OBJECT_BYTES) {
    objects.push({
      kind: deltaKindOf(bytes[at] ?? 0),
      checksum: checksumOf(bytes.subarray(at + 1, at + PART_OBJECT_BYTES), 'object of delta part'),
    });
  }
  return objects;
}

function deltaKindOf(number: number): DeltaObjectKind {
  const kind = objectKindOf(number);
  if (kind === 'file' || kind === 'dirtree' || kind === 'dirmeta' || kind === 'commit') return kind;
  return failDelta('a file, dirtree, dirmeta or commit', `object kind ${number}`);
}

/**
 * True when sizes and versions are big-endian. Old writers do not state it; the wrong order then yields implausible sizes.
 * Source: OSTree spec 1.4.
 */
function isByteSwapped(metadata: VariantDict, parts: Frame[6]): boolean {
  const stated = lookupVariant(metadata, 'ostree.endianness', BYTE);
  if (stated === 0x42) return true;
  if (stated === 0x6c) return false;
  if (stated !== undefined) failDelta('endianness "l" or "B"', String(stated));
  const fits = (size: bigint, unpacked: bigint, objects: Uint8Array): boolean =>
    unpacked !== 0n &&
    size * 5n <= unpacked * 6n &&
    unpacked <= OBJECT_PLAUSIBLE_BYTES * BigInt(1 + Math.floor(objects.length / PART_OBJECT_BYTES));
  return (
    !parts.every(([, , size, unpacked, objects]) => fits(size, unpacked, objects)) &&
    parts.every(([, , size, unpacked, objects]) => fits(swap64(size), swap64(unpacked), objects))
  );
}

function failDelta(expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_DELTA_INVALID',
    `Cannot read delta: expected ${expected}, found ${found}`,
    { offset: 0, what: 'superblock', expected, found },
  );
}

function unsupported(what: string, found: string): never {
  throw new UnsupportedError(
    'OSTREE_DELTA_UNSUPPORTED',
    `Cannot use delta: expected a known ${what}, found ${found}`,
    { what, found },
  );
}
