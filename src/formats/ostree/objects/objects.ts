import { hash as hashOnce } from 'node:crypto';
import { type ByteString, byteStringFromText, bytesOf, encodeHex } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError, IntegrityError } from '#base/errors';
import { CHECKSUM_BYTES, METADATA_MAX_BYTES } from '../layout.ts';

/**
 * The kinds of objects in a repository: their number in deltas and extension on disk. In archive repositories a file has the
 * extension `filez` instead. Source: OSTree spec 2.2.
 */
export const OBJECT_KINDS = {
  file: { number: 1, extension: 'file' },
  dirtree: { number: 2, extension: 'dirtree' },
  dirmeta: { number: 3, extension: 'dirmeta' },
  commit: { number: 4, extension: 'commit' },
  tombstone: { number: 5, extension: 'tombstone-commit' },
  commitmeta: { number: 6, extension: 'commitmeta' },
  'payload-link': { number: 7, extension: 'payload-link' },
  'file-xattrs': { number: 8, extension: 'file-xattrs' },
  'file-xattrs-link': { number: 9, extension: 'file-xattrs-link' },
} as const;

/** Name of an object kind. */
export type ObjectKind = keyof typeof OBJECT_KINDS;
/** Kinds whose checksum is the SHA-256 of their stored bytes. */
export type MetadataKind = 'commit' | 'dirtree' | 'dirmeta';
/** Kinds that a delta can contain. */
export type DeltaObjectKind = MetadataKind | 'file';

/** The kind with this number in OSTree spec 2.2, or undefined. */
export function objectKindOf(number: number): ObjectKind | undefined {
  return KIND_BY_NUMBER.get(number);
}

const KIND_BY_NUMBER: ReadonlyMap<number, ObjectKind> = new Map(
  (Object.keys(OBJECT_KINDS) as ObjectKind[]).map((kind) => [OBJECT_KINDS[kind].number, kind]),
);

/** Path of an object below the repository: `objects/ab/cdef….dirtree`; `archive` selects `filez` for files. */
export function ostreeObjectPath(
  checksum: OstreeChecksum,
  kind: ObjectKind,
  isArchive = false,
): string {
  const extension = kind === 'file' && isArchive ? 'filez' : OBJECT_KINDS[kind].extension;
  return `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${extension}`;
}

/** The 32 bytes of a checksum. */
export function checksumBytes(checksum: OstreeChecksum): Uint8Array {
  return new Uint8Array(Buffer.from(checksum, 'hex'));
}

/**
 * The checksum in a member of a metadata object.
 * @throws FormatError OSTREE_CHECKSUM_LENGTH when it is not 32 bytes long
 */
export function checksumOf(bytes: Uint8Array, what: string, offset = 0): OstreeChecksum {
  if (bytes.length !== CHECKSUM_BYTES) {
    throw new FormatError(
      'OSTREE_CHECKSUM_LENGTH',
      `Cannot read ${what}: expected a checksum of ${CHECKSUM_BYTES} bytes, found ${bytes.length}`,
      { offset, what, expected: CHECKSUM_BYTES, found: bytes.length },
    );
  }
  return encodeHex(bytes) as OstreeChecksum;
}

/** SHA-256 of bytes: the checksum of a commit, dirtree or dirmeta. */
export function computeMetadataChecksum(bytes: Uint8Array): OstreeChecksum {
  return hashOnce('sha256', bytes, 'hex') as OstreeChecksum;
}

/**
 * Verifies that bytes are the object with this checksum.
 * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH
 */
export function verifyMetadata(
  bytes: Uint8Array,
  expected: OstreeChecksum,
  kind: MetadataKind,
): void {
  requireChecksum(computeMetadataChecksum(bytes), expected, kind);
}

/** @throws IntegrityError OSTREE_CHECKSUM_MISMATCH */
export function requireChecksum(
  found: OstreeChecksum,
  expected: OstreeChecksum,
  what: string,
): void {
  if (found === expected) return;
  throw new IntegrityError(
    'OSTREE_CHECKSUM_MISMATCH',
    `Cannot accept ${what} object: expected checksum ${expected}, found ${found}`,
    { expected, found, what },
  );
}

/** @throws FormatError OSTREE_METADATA_TOO_LARGE */
export function requireMetadataSize(bytes: Uint8Array, what: string): void {
  if (bytes.length <= METADATA_MAX_BYTES) return;
  throw new FormatError(
    'OSTREE_METADATA_TOO_LARGE',
    `Cannot read ${what}: expected at most ${METADATA_MAX_BYTES} bytes, found ${bytes.length}`,
    { offset: 0, what, expected: METADATA_MAX_BYTES, found: bytes.length },
  );
}

/** The text of a ByteString that must be UTF-8, for a GVariant string. Not UTF-8: TypeError. */
export function textOf(value: ByteString): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(value));
}

/** True for bytes that are valid UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** The bytes of a GVariant string. */
export function byteStringOfText(text: string): ByteString {
  return byteStringFromText(text);
}
