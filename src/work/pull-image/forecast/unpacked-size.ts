import { isOnecopyError } from '#base/errors';
import type { BlobContent, RemoteBlob } from '#base/flow';
import { type Compression, type Descriptor, parseLayerType } from '#formats/oci';
import { readBlobRange } from '#work/ingest';
import { isRemote } from '../resume.ts';

/** Bytes at the end of a gzip member that say how long its content is, modulo 2^32. Source: RFC 1952, ISIZE. */
const GZIP_SIZE_BYTES = 4;
/** Bytes at the start of a zstd frame that hold its header. Source: RFC 8878, 3.1.1.1. */
const ZSTD_HEAD_BYTES = 18;
const ZSTD_MAGIC = 0xfd2fb528;
/** Least share of the blob that a claim must be to be believed: a smaller one is of the last of several members. */
const EXPANSION_MIN = 0.95;
/** Bytes that packing may add to content that does not shrink. */
const FRAMING_BYTES = 64;

/**
 * The size of the tar in a blob, as the blob says at its end (gzip) or start (zstd); undefined where it does not, or where nobody answers. It
 * is a claim, good for a plan alone.
 */
export async function readUnpackedSize(
  descriptor: Descriptor,
  content: BlobContent | RemoteBlob,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const { sizeBytes } = descriptor;
  const compression = parseLayerType(descriptor.mediaType)?.compression ?? 'none';
  if (compression === 'none') return sizeBytes;
  const length = Math.min(sizeBytes, compression === 'gzip' ? GZIP_SIZE_BYTES : ZSTD_HEAD_BYTES);
  const offset = compression === 'gzip' ? sizeBytes - length : 0;
  const bytes = await readPart(content, { offset, length }, signal);
  return bytes === undefined ? undefined : claimedSize(compression, bytes, sizeBytes);
}

/** What the bytes that say it claim about the size of the content; undefined where they cannot be right. */
export function claimedSize(
  compression: Compression,
  bytes: Uint8Array,
  blobBytes: number,
): number | undefined {
  const claim = compression === 'gzip' ? gzipSize(bytes, blobBytes) : zstdSize(bytes);
  return claim === undefined || claim < blobBytes * EXPANSION_MIN - FRAMING_BYTES
    ? undefined
    : claim;
}

function gzipSize(bytes: Uint8Array, blobBytes: number): number | undefined {
  if (bytes.length < GZIP_SIZE_BYTES) return undefined;
  const rest = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  // Only a blob of about 4 GiB can have wrapped for certain; a smaller one is taken at its word.
  const wraps = Math.max(0, Math.ceil((blobBytes * EXPANSION_MIN - rest) / 2 ** 32));
  return blobBytes < 2 ** 32 && wraps > 0 ? undefined : rest + wraps * 2 ** 32;
}

/** Frame_Content_Size, where the frame has one. */
function zstdSize(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  const sizeFlag = Math.floor(descriptor / 64);
  const isSingleSegment = Math.floor(descriptor / 32) % 2 === 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor % 4] as number;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  const fieldBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  if (fieldBytes === 0 || at + fieldBytes > bytes.length) return undefined;
  if (fieldBytes === 1) return view.getUint8(at);
  if (fieldBytes === 2) return view.getUint16(at, true) + 256;
  if (fieldBytes === 4) return view.getUint32(at, true);
  const size = Number(view.getBigUint64(at, true));
  return Number.isSafeInteger(size) ? size : undefined;
}

async function readPart(
  content: BlobContent | RemoteBlob,
  range: { readonly offset: number; readonly length: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (!isRemote(content)) {
    return 'fd' in content ? readBlobRange(content, range.offset, range.length) : undefined;
  }
  const bytes = new Uint8Array(range.length);
  let got = 0;
  try {
    const answer = await content.readRanges([range], { signal });
    if (answer.kind === 'whole') {
      // Leaving the loop gives the transfer up: the size is not worth the blob.
      for await (const _ of answer.bytes) break;
      return undefined;
    }
    for await (const piece of answer.pieces) {
      bytes.set(piece.bytes, piece.offset - range.offset);
      got += piece.bytes.length;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
  return got === range.length ? bytes : undefined;
}
