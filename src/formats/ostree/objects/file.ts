import { createHash, type Hash, hash as hashOnce } from 'node:crypto';
import { type ByteString, concatBytes } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import { chooseOffsetWidth, encodeVariant, parseVariant } from '#formats/gvariant';
import {
  FILE_HEADER_TYPE,
  FILE_MAX_BYTES,
  HEADER_PREFIX_BYTES,
  METADATA_MAX_BYTES,
  ZLIB_HEADER_TYPE,
} from '../layout.ts';
import { isLinkMode, requireFileMode } from './mode.ts';
import { byteStringOfText, textOf } from './objects.ts';
import { swap32, swap64 } from './swap.ts';
import { type OstreeXattr, rawXattrsOf, sortXattrs, type XattrRules, xattrsOf } from './xattrs.ts';

/** uid, gid, mode and rdev. */
const FIXED_HEADER_BYTES = 16;

/** The fields of a file object other than its content. */
export interface FileHeader {
  readonly uid: number;
  readonly gid: number;
  /** Including the file type: regular or link. */
  readonly mode: number;
  /** Target of a link; empty for a regular file (a stored target of a regular file is kept, but never hashed). */
  readonly target: ByteString;
  /** In stored order. */
  readonly xattrs: readonly OstreeXattr[];
}

/** The header of an archive object and of a file in a commit stream: a file header with the content size. */
export interface SizedFileHeader extends FileHeader {
  /** Content size in bytes; 0 for links. Not covered by the checksum. */
  readonly sizeBytes: number;
}

/**
 * Parses `(tuuuusa(ayay))`, the header of archive objects, without the 8-byte prefix.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_MODE_INVALID, OSTREE_HEADER_INVALID, OSTREE_XATTR_INVALID
 */
export function parseZlibHeader(bytes: Uint8Array, rules: XattrRules = {}): SizedFileHeader {
  const what = 'file header';
  const [size, ...rest] = parseVariant(bytes, ZLIB_HEADER_TYPE, { what });
  const [uid, gid, mode, rdev, target, xattrs] = rest;
  const sizeBytes = swap64(size);
  if (sizeBytes > BigInt(FILE_MAX_BYTES)) {
    failHeader(`a size of at most ${FILE_MAX_BYTES}`, String(sizeBytes), 0);
  }
  requireFileMode(swap32(mode), what);
  if (rdev !== 0) failHeader('rdev 0', `rdev ${swap32(rdev)}`, 20);
  return {
    uid: swap32(uid),
    gid: swap32(gid),
    mode: swap32(mode),
    target: byteStringOfText(target),
    xattrs: xattrsOf(xattrs, what, rules),
    sizeBytes: Number(sizeBytes),
  };
}

/** The inverse of parseZlibHeader; xattrs in the order given. */
export function encodeZlibHeader(header: SizedFileHeader): Uint8Array {
  const { uid, gid, mode, target, xattrs, sizeBytes } = header;
  return encodeVariant(
    [
      swap64(BigInt(sizeBytes)),
      swap32(uid),
      swap32(gid),
      swap32(mode),
      0,
      textOf(target),
      rawXattrsOf(xattrs),
    ],
    ZLIB_HEADER_TYPE,
  );
}

/**
 * The header in its hashed form: `(uuuusa(ayay))`, xattrs sorted by name unless `storedOrder`, and no target unless the
 * file is a link. Source: OSTree spec 2.5.
 */
export function encodeFileHeader(header: FileHeader, storedOrder = false): Uint8Array {
  const { uid, gid, mode, target, xattrs } = header;
  if (xattrs.length === 0) return encodePlainHeader(header);
  return encodeVariant(
    [
      swap32(uid),
      swap32(gid),
      swap32(mode),
      0,
      isLinkMode(mode) ? textOf(target) : '',
      rawXattrsOf(storedOrder ? xattrs : sortXattrs(xattrs)),
    ],
    FILE_HEADER_TYPE,
  );
}

/** The same bytes as the general encoder for a file without xattrs, as nearly all files are: five times as fast. */
function encodePlainHeader({ uid, gid, mode, target }: FileHeader): Uint8Array {
  const text = isLinkMode(mode) ? target : '';
  if (text !== '') textOf(target);
  const targetEnd = FIXED_HEADER_BYTES + text.length + 1;
  const width = chooseOffsetWidth(targetEnd, 1);
  const bytes = Buffer.alloc(targetEnd + width);
  bytes.writeUInt32BE(uid, 0);
  bytes.writeUInt32BE(gid, 4);
  bytes.writeUInt32BE(mode, 8);
  bytes.write(text, FIXED_HEADER_BYTES, 'latin1');
  bytes.writeUIntLE(targetEnd, targetEnd, width);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A header with its prefix: big-endian length and four zero bytes. */
export function frameHeader(header: Uint8Array): Uint8Array {
  const framed = new Uint8Array(HEADER_PREFIX_BYTES + header.length);
  new DataView(framed.buffer).setUint32(0, header.length, false);
  framed.set(header, HEADER_PREFIX_BYTES);
  return framed;
}

/**
 * Length of the header that follows an 8-byte prefix, checked against the available bytes.
 * The four bytes after the length should be zero, but readers have always ignored them (OSTree spec 2.4).
 * @throws FormatError OSTREE_HEADER_INVALID
 */
export function parseHeaderPrefix(bytes: Uint8Array, objectBytes = bytes.length): number {
  if (bytes.length < HEADER_PREFIX_BYTES) {
    failHeader(`${HEADER_PREFIX_BYTES} bytes of prefix`, `${bytes.length} bytes`, 0);
  }
  const length = uint32At(bytes, 0);
  const room = Math.min(METADATA_MAX_BYTES, objectBytes - HEADER_PREFIX_BYTES);
  if (length > room) failHeader(`a header of at most ${room} bytes`, `${length} bytes`, 0);
  return length;
}

/** A big-endian number, read without a DataView: tens of thousands are read. */
function uint32At(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) * 256 + (bytes[at + 1] as number)) * 65_536;
  return high + (bytes[at + 2] as number) * 256 + (bytes[at + 3] as number);
}

/** Computes the checksum of a file object from its header and content, content piece by piece. */
export class FileHasher {
  readonly #hash: Hash;
  readonly #isLink: boolean;

  /** `storedOrder` hashes xattrs in the order given, as writers before 2024.10 did. */
  constructor(header: FileHeader, storedOrder = false) {
    this.#isLink = isLinkMode(header.mode);
    this.#hash = createHash('sha256');
    this.#hash.update(frameHeader(encodeFileHeader(header, storedOrder)));
  }

  /** Adds content; links have none. */
  update(piece: Uint8Array): void {
    if (!this.#isLink) this.#hash.update(piece);
  }

  /** Call at most once. */
  finish(): OstreeChecksum {
    return this.#hash.digest('hex') as OstreeChecksum;
  }
}

const NO_CONTENT = new Uint8Array(0);

/** The checksum of a file object whose content is in memory. */
export function computeFileChecksum(header: FileHeader, content?: Uint8Array): OstreeChecksum {
  const hashed = isLinkMode(header.mode) || content === undefined ? NO_CONTENT : content;
  return computeFramedChecksum(frameHeader(encodeFileHeader(header)), hashed);
}

/** Largest content that is hashed together with its header in one call, which is faster, in bytes. */
const HASH_AT_ONCE_BYTES = 128 * 1024;

/** The checksum of a file object from its framed header in hashed form, and its content (none for a link). */
export function computeFramedChecksum(framed: Uint8Array, content: Uint8Array): OstreeChecksum {
  if (content.length <= HASH_AT_ONCE_BYTES) {
    return hashOnce('sha256', concatBytes([framed, content]), 'hex') as OstreeChecksum;
  }
  return createHash('sha256').update(framed).update(content).digest('hex') as OstreeChecksum;
}

function failHeader(expected: string, found: string, offset: number): never {
  throw new FormatError(
    'OSTREE_HEADER_INVALID',
    `Cannot read file header: expected ${expected}, found ${found}`,
    { offset, what: 'file header', expected, found },
  );
}
