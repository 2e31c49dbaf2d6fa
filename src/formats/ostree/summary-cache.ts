import { ByteCursor, concatBytes, encodeHex } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { CHECKSUM_BYTES } from './layout.ts';
import { checksumBytes } from './objects/objects.ts';

/** A fetched summary, with the headers for the next conditional request. */
export interface CachedSummary {
  /** Empty when the server sent none, and for subsets. */
  readonly etag: string;
  readonly lastModified: string;
  /** SHA-256 of the summary; for a subset, the checksum from the index. */
  readonly checksum: OstreeChecksum;
  /** The raw summary. */
  readonly summary: Uint8Array;
}

/** Longest header text that fits its length field. */
const TEXT_MAX_BYTES = 0xffff;

/**
 * The content of a summary cache stream: u16 etag length, u16 last-modified length, checksum, both texts, summary.
 * Undefined when a text does not fit: the caller then caches nothing. Source: OSTree spec 3.7.
 */
export function encodeSummaryCache(cached: CachedSummary): Uint8Array | undefined {
  const etag = Buffer.from(cached.etag, 'utf8');
  const lastModified = Buffer.from(cached.lastModified, 'utf8');
  if (etag.length > TEXT_MAX_BYTES || lastModified.length > TEXT_MAX_BYTES) return undefined;
  const lengths = Buffer.alloc(4);
  lengths.writeUInt16LE(etag.length, 0);
  lengths.writeUInt16LE(lastModified.length, 2);
  return concatBytes([lengths, checksumBytes(cached.checksum), etag, lastModified, cached.summary]);
}

/**
 * Parses the output of encodeSummaryCache. The summary is a view.
 * @throws FormatError BYTES_OUT_OF_RANGE
 */
export function parseSummaryCache(bytes: Uint8Array): CachedSummary {
  const cursor = new ByteCursor(bytes, 'summary cache');
  const etagBytes = cursor.u16();
  const lastModifiedBytes = cursor.u16();
  const checksum = encodeHex(cursor.take(CHECKSUM_BYTES)) as OstreeChecksum;
  const text = (length: number): string => Buffer.from(cursor.take(length)).toString('utf8');
  return {
    etag: text(etagBytes),
    lastModified: text(lastModifiedBytes),
    checksum,
    summary: cursor.take(cursor.remaining),
  };
}
