import { ByteCursor } from '#base/bytes';
import { SKIPPABLE_HEADER_BYTES, SKIPPABLE_MAGIC } from '#formats/zstd';
import type { MetadataPosition } from './annotations.ts';
import {
  FOOTER_BYTES,
  FOOTER_MAGIC,
  OLD_FOOTER_BYTES,
  OLD_STARGZ_FOOTER_BYTES,
  STARGZ_FOOTER_BYTES,
  TOC_TYPE,
} from './layout.ts';

/** The content of the last frame of a zstd:chunked blob. It is not authenticated: a pull uses the annotations instead. */
export interface ChunkedFooter {
  readonly toc: MetadataPosition;
  /** Absent in blobs of writers before mid 2024. */
  readonly tarSplit: MetadataPosition | undefined;
}

/** Bytes at the end of a blob that contain every known footer. */
export const FOOTER_TAIL_BYTES = SKIPPABLE_HEADER_BYTES + FOOTER_BYTES;

/**
 * The footer in the last bytes of a blob, including the old form; undefined without one.
 * Source: containers-storage pkg/chunked/internal/compression.go, ZstdChunkedFooterDataToBlob.
 */
export function parseChunkedFooter(tail: Uint8Array): ChunkedFooter | undefined {
  for (const payloadBytes of [FOOTER_BYTES, OLD_FOOTER_BYTES]) {
    const start = tail.length - payloadBytes - SKIPPABLE_HEADER_BYTES;
    if (start < 0) continue;
    const cursor = new ByteCursor(tail, 'footer', start);
    if (cursor.u32() !== SKIPPABLE_MAGIC || cursor.u32() !== payloadBytes) continue;
    const magic = Buffer.from(tail.subarray(tail.length - FOOTER_MAGIC.length)).toString('latin1');
    if (magic !== FOOTER_MAGIC) continue;
    const toc = positionAt(cursor);
    const type = cursor.u64();
    if (toc === undefined || type !== BigInt(TOC_TYPE)) return undefined;
    return { toc, tarSplit: payloadBytes === FOOTER_BYTES ? positionAt(cursor) : undefined };
  }
  return undefined;
}

/** The footer as a complete skippable frame. */
export function encodeChunkedFooter(toc: MetadataPosition, tarSplit: MetadataPosition): Uint8Array {
  const payload = Buffer.alloc(FOOTER_BYTES);
  const numbers = [
    toc.offset,
    toc.lengthBytes,
    toc.inflatedBytes,
    TOC_TYPE,
    tarSplit.offset,
    tarSplit.lengthBytes,
    tarSplit.inflatedBytes,
  ];
  for (const [at, value] of numbers.entries()) payload.writeBigUInt64LE(BigInt(value), at * 8);
  payload.write(FOOTER_MAGIC, FOOTER_BYTES - FOOTER_MAGIC.length, 'latin1');
  return encodeSkippableFrame(payload);
}

/** A payload as a skippable frame. */
export function encodeSkippableFrame(payload: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(SKIPPABLE_HEADER_BYTES + payload.length);
  frame.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  frame.writeUInt32LE(payload.length, 4);
  frame.set(payload, SKIPPABLE_HEADER_BYTES);
  return frame;
}

function positionAt(cursor: ByteCursor): MetadataPosition | undefined {
  const [offset, lengthBytes, inflatedBytes] = [cursor.u64(), cursor.u64(), cursor.u64()].map(
    Number,
  );
  const numbers = [offset, lengthBytes, inflatedBytes];
  if (!numbers.every((value) => Number.isSafeInteger(value))) return undefined;
  return { offset: offset ?? 0, lengthBytes: lengthBytes ?? 0, inflatedBytes: inflatedBytes ?? 0 };
}

/** Header of an empty gzip member with an extra field: magic, method deflate, flag FEXTRA. Source: RFC 1952, section 2.3. */
const GZIP_EXTRA_HEAD = Buffer.from('1f8b0804', 'hex');
const STARGZ_NAME = 'STARGZ';

/**
 * Offset of the TOC of an eStargz or stargz blob, from the blob's last bytes; undefined when they are not such a footer.
 * Source: stargz-snapshotter docs/estargz.md, "Footer"; the old one: crfs stargz.go, footer of 47 bytes.
 */
export function parseStargzFooter(
  tail: Uint8Array,
): { readonly tocOffset: number; readonly footerBytes: number } | undefined {
  for (const [footerBytes, digitsAt] of [
    [STARGZ_FOOTER_BYTES, 16],
    [OLD_STARGZ_FOOTER_BYTES, 12],
  ] as const) {
    if (tail.length < footerBytes) continue;
    const footer = Buffer.from(tail.subarray(tail.length - footerBytes));
    if (!footer.subarray(0, GZIP_EXTRA_HEAD.length).equals(GZIP_EXTRA_HEAD)) continue;
    const text = footer.toString('latin1', digitsAt, digitsAt + 16 + STARGZ_NAME.length);
    const tocOffset = Number.parseInt(text.slice(0, 16), 16);
    const isWritten = /^[0-9a-f]{16}$/i.test(text.slice(0, 16)) && text.endsWith(STARGZ_NAME);
    if (isWritten && Number.isSafeInteger(tocOffset)) return { tocOffset, footerBytes };
  }
  return undefined;
}
