import { ByteCursor, encodeHex, safeNumber } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { type RandomReader, readerOf } from '#base/flow';
import { ALGORITHMS, VERITY_BLOCK_BITS, type VerityAlgorithm } from '#formats/fsverity';
import { decodeBody } from './body-decoder.ts';
import {
  HEADER,
  HEADER_BYTES,
  type HeaderLayout,
  INFO,
  INFO_BYTES,
  MAGIC,
  OLD_HEADER,
  REFS_MAX,
  VERSION,
} from './layout.ts';
import { parseNamedRefs } from './named-refs.ts';
import { checkInFile, fillRange, type Range, readRange, type SplitstreamFault } from './range.ts';

/** Requirements a splitstream must meet. */
export interface OpenSplitstreamOptions {
  readonly algorithm: VerityAlgorithm;
  /** When set, any other type is refused. */
  readonly contentType?: bigint | undefined;
}

/**
 * A part of the body. Inline bytes are overwritten by the next part. A long chunk is split into several parts; `moreBytes`
 * is the number of bytes of the chunk that still follow.
 */
export type SplitstreamPart =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array; readonly moreBytes: number }
  | { readonly kind: 'external'; readonly id: ObjectId; readonly index: number };

/** An open splitstream: its tables are in memory, its body has not been touched. */
export interface Splitstream {
  readonly contentType: bigint;
  /** Size of the reconstructed stream as declared, external objects included. */
  readonly sizeBytes: number;
  /** Every object the stream keeps alive, in table order; decoded on first use. */
  readonly objectRefs: readonly ObjectId[];
  /** The same digests as bytes, concatenated, in a buffer of their own. */
  readonly objectDigests: Uint8Array<ArrayBuffer>;
  /** Every stream this stream depends on, in table order. */
  readonly streamRefs: readonly ObjectId[];
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
  /**
   * Decodes the body from its start; each call starts again. A synchronous iterable: `for` and `for await` both work.
   * Memory is bounded whatever sizes the body claims.
   * @throws FormatError SPLITSTREAM_TRUNCATED, SPLITSTREAM_COMPRESSION, SPLITSTREAM_REF_INDEX, SPLITSTREAM_BODY_TOO_LARGE
   */
  parts(): Generator<SplitstreamPart>;
}

function fail(code: SplitstreamFault, what: string, offset: number, reason: string): never {
  throw new FormatError(code, `Cannot open splitstream: ${what} at ${offset}: ${reason}`, {
    offset,
    what,
    reason,
  });
}

/** The tables of a splitstream. The object table is read in pieces: for a million objects it is 64 MB. */
export interface SplitstreamTables
  extends Pick<Splitstream, 'contentType' | 'sizeBytes' | 'streamRefs' | 'namedRefs'> {
  readonly objectCount: number;
  /**
   * The digests of the object table, concatenated, from the start of a buffer that the next piece overwrites. Each call starts again.
   * @throws FormatError SPLITSTREAM_TRUNCATED
   */
  objectDigestPieces(): Generator<Uint8Array<ArrayBuffer>>;
}

/**
 * Opens a splitstream: verifies header and info and reads the tables, not the body.
 * @throws FormatError SPLITSTREAM_TRUNCATED, SPLITSTREAM_MAGIC, SPLITSTREAM_VERSION, SPLITSTREAM_ALGORITHM,
 *   SPLITSTREAM_BLOCK_SIZE, SPLITSTREAM_RANGE, SPLITSTREAM_INFO_TOO_SHORT, SPLITSTREAM_CONTENT_TYPE,
 *   SPLITSTREAM_TABLE_SIZE, SPLITSTREAM_TABLE_TOO_LARGE, SPLITSTREAM_NAMED_REF_INVALID, SPLITSTREAM_COMPRESSION, NUMBER_UNSAFE
 */
export function openSplitstream(
  source: RandomReader | Uint8Array,
  options: OpenSplitstreamOptions,
): Splitstream {
  const reader = source instanceof Uint8Array ? readerOf(source) : source;
  const { objectTable, body, ...tables } = openTables(reader, options);
  const { algorithm } = options;
  const { contentType, sizeBytes, streamRefs, namedRefs, objectCount } = tables;
  const objectDigests = readRange(reader, objectTable);
  // Encode single ids from the bytes: a list of a million ids would need more memory than everything else.
  const { digestBytes } = ALGORITHMS[algorithm];
  const objectIdAt = (index: number) =>
    encodeHex(objectDigests.subarray(index * digestBytes, (index + 1) * digestBytes)) as ObjectId;
  let ids: readonly ObjectId[] | undefined;
  const objectRefs = () => {
    ids ??= idsOf(objectDigests, algorithm);
    return ids;
  };
  return {
    contentType,
    sizeBytes,
    get objectRefs() {
      return objectRefs();
    },
    objectDigests,
    streamRefs,
    namedRefs,
    parts: () => decodeBody({ reader, body, objectCount, objectIdAt, sizeBytes }),
  };
}

/** Opens only the tables of a splitstream; valid while the reader is open. @throws as `openSplitstream` */
export function openSplitstreamTables(
  reader: RandomReader,
  options: OpenSplitstreamOptions,
): SplitstreamTables {
  const { objectTable, body: _body, ...tables } = openTables(reader, options);
  const { digestBytes } = ALGORITHMS[options.algorithm];
  return { ...tables, objectDigestPieces: () => readPieces(reader, objectTable, digestBytes) };
}

function openTables(reader: RandomReader, options: OpenSplitstreamOptions) {
  const { algorithm } = options;
  const { bytes: info, start: infoStart } = readInfo(reader, algorithm);
  const field = (offset: number) => new ByteCursor(info, 'splitstream info', offset);
  const contentType = field(INFO.contentType).u64();
  if (options.contentType !== undefined && options.contentType !== contentType) {
    const reason = `expected ${showType(options.contentType)}, found ${showType(contentType)}`;
    fail('SPLITSTREAM_CONTENT_TYPE', 'content type', infoStart + INFO.contentType, reason);
  }
  const range = (offset: number, what: string) => parseRange(field(offset), what);
  const streamTable = range(INFO.streamRefs, 'stream refs');
  checkTable(reader, streamTable, algorithm);
  const streamRefs = idsOf(readRange(reader, streamTable), algorithm);
  const objectTable = range(INFO.objectRefs, 'object refs');
  const objectCount = checkTable(reader, objectTable, algorithm);
  const body = range(INFO.body, 'body');
  const sizeBytes = field(INFO.sizeBytes).size64('size');
  const namedRefs = parseNamedRefs(reader, range(INFO.namedRefs, 'named refs'), streamRefs);
  return { contentType, sizeBytes, streamRefs, namedRefs, objectTable, objectCount, body };
}

/**
 * Size of the byte stream that a splitstream rebuilds, in bytes, as its info section states it. Reads 112 bytes; the tables and the body are
 * not verified.
 * @throws FormatError as `openSplitstream` for the header and the info section
 */
export function readStreamSize(reader: RandomReader, algorithm: VerityAlgorithm): number {
  const info = readInfo(reader, algorithm);
  return new ByteCursor(info.bytes, 'splitstream info', INFO.sizeBytes).size64('size');
}

/** The fixed part of the info section, and its offset in the file. */
function readInfo(
  reader: RandomReader,
  algorithm: VerityAlgorithm,
): { readonly bytes: Uint8Array; readonly start: number } {
  const range = readHeader(reader, algorithm);
  const infoBytes = range.end - range.start;
  if (infoBytes < INFO_BYTES) {
    const reason = `expected at least ${INFO_BYTES} bytes, found ${infoBytes}`;
    fail('SPLITSTREAM_INFO_TOO_SHORT', 'info section', range.start, reason);
  }
  const bytes = readRange(reader, { ...range, end: range.start + INFO_BYTES });
  return { bytes, start: range.start };
}

/** Checks the header in either layout and returns the range of the info section. */
function readHeader(reader: RandomReader, algorithm: VerityAlgorithm): Range {
  const header = readRange(reader, { start: 0, end: HEADER_BYTES, what: 'header' });
  const layout = layoutOf(header);
  const byte = (offset: number) => header[offset] ?? 0;
  const version = byte(layout.version);
  if (version !== VERSION) {
    const reason = `expected ${VERSION}, found ${version}`;
    fail('SPLITSTREAM_VERSION', 'version', layout.version, reason);
  }
  const kernelId = byte(layout.algorithm);
  if (kernelId !== ALGORITHMS[algorithm].kernelId) {
    const reason = `expected ${ALGORITHMS[algorithm].kernelId} (${algorithm}), found ${kernelId}`;
    fail('SPLITSTREAM_ALGORITHM', 'hash algorithm', layout.algorithm, reason);
  }
  const bits = byte(layout.blockBits);
  if (bits !== VERITY_BLOCK_BITS) {
    const reason = `expected ${VERITY_BLOCK_BITS}, found ${bits}`;
    fail('SPLITSTREAM_BLOCK_SIZE', 'block size', layout.blockBits, reason);
  }
  return parseRange(new ByteCursor(header, 'splitstream header', layout.infoStart), 'info section');
}

function layoutOf(header: Uint8Array): HeaderLayout {
  const text = Buffer.from(header).toString('latin1');
  for (const layout of [HEADER, OLD_HEADER]) {
    if (text.startsWith(MAGIC, layout.magic)) return layout;
  }
  return fail('SPLITSTREAM_MAGIC', 'magic', 0, `expected "${MAGIC}", found other bytes`);
}

/** Reads a start and an end offset; both must be safe numbers in order. */
function parseRange(cursor: ByteCursor, what: string): Range {
  const { offset } = cursor;
  const start = safeNumber(cursor.u64(), `start of ${what}`, offset);
  const end = safeNumber(cursor.u64(), `end of ${what}`, offset + 8);
  if (end < start) {
    const reason = `expected an end of at least ${start}, found ${end}`;
    fail('SPLITSTREAM_RANGE', what, offset, reason);
  }
  return { start, end, what };
}

/** Returns the number of digests in a table; the table must be inside the file. */
function checkTable(reader: RandomReader, range: Range, algorithm: VerityAlgorithm): number {
  const { digestBytes } = ALGORITHMS[algorithm];
  const lengthBytes = range.end - range.start;
  if (lengthBytes % digestBytes !== 0) {
    const reason = `expected a multiple of ${digestBytes} bytes, found ${lengthBytes}`;
    fail('SPLITSTREAM_TABLE_SIZE', range.what, range.start, reason);
  }
  const count = lengthBytes / digestBytes;
  if (count > REFS_MAX) {
    throw new FormatError(
      'SPLITSTREAM_TABLE_TOO_LARGE',
      `Cannot open splitstream: expected at most ${REFS_MAX} ${range.what}, found ${count}`,
      { offset: range.start, what: range.what, limit: REFS_MAX },
    );
  }
  checkInFile(reader, range);
  return count;
}

/** Digests of a table per read. */
const DIGESTS_AT_ONCE = 4096;

function* readPieces(
  reader: RandomReader,
  { start, end, what }: Range,
  digestBytes: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(DIGESTS_AT_ONCE * digestBytes);
  for (let at = start; at < end; ) {
    const piece = buffer.subarray(0, Math.min(buffer.length, end - at));
    fillRange(reader, { start: at, end: at + piece.length, what }, piece);
    yield piece;
    at += piece.length;
  }
}

/** Ids per conversion to hex: one call for each id would cost more than the rest of opening a stream. */
const IDS_AT_ONCE = 256;

function idsOf(table: Uint8Array, algorithm: VerityAlgorithm): ObjectId[] {
  const { digestBytes } = ALGORITHMS[algorithm];
  const ids: ObjectId[] = [];
  const partBytes = digestBytes * IDS_AT_ONCE;
  for (let start = 0; start < table.length; start += partBytes) {
    const hex = encodeHex(table.subarray(start, start + partBytes));
    for (let at = 0; at < hex.length; at += digestBytes * 2) {
      ids.push(hex.slice(at, at + digestBytes * 2) as ObjectId);
    }
  }
  return ids;
}

/** Hex, and the eight ASCII characters where all bytes are ASCII. */
function showType(type: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, type));
  const text = bytes.toString('latin1').replace(/\0+$/, '');
  return /^[ -~]+$/.test(text) ? `"${text}"` : `0x${type.toString(16)}`;
}
