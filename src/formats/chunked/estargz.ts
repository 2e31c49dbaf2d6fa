import { createGunzip } from 'node:zlib';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { verifyDigest } from '#base/flow';
import { parseTarMemberHeader, TAR_BLOCK_BYTES } from '#formats/tar';
import { failChunk } from './inflate.ts';
import { STARGZ_TOC_NAME, TOC_BYTES_MAX } from './layout.ts';
import { type Toc, TocParser } from './toc.ts';
import { type TocUnusable, UnusableToc, verdictOf } from './verdict.ts';

/**
 * Reads the TOC of an eStargz layer from the bytes between `tocOffset` and the footer: a gzip member of a tar that holds
 * the document. An eStargz layer has no tar-split, so only its whole blob verifies its diff id; the TOC serves to read
 * single files. Source: stargz-snapshotter docs/estargz.md, "TOC, TOCEntry and Footer".
 * @throws IntegrityError BLOB_DIGEST_MISMATCH; FormatError CHUNKED_TOC_INVALID
 */
export function readStargzToc(
  bytes: Uint8Array,
  tocOffset: number,
  tocDigest: ContentDigest,
): Promise<Toc | TocUnusable> {
  return verdictOf(async () => {
    const parser = new TocParser({ endOffset: tocOffset, isStargz: true });
    const document = tocOfTar(await gunzip(bytes));
    verifyDigest(tocDigest, computeContentDigest(document));
    parser.push(document);
    return parser.finish();
  });
}

async function gunzip(bytes: Uint8Array): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const stream = createGunzip();
  stream.end(bytes);
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      length += piece.length;
      if (length > TOC_BYTES_MAX) {
        throw new UnusableToc('too-large', `its TOC has more than ${TOC_BYTES_MAX} bytes`);
      }
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof UnusableToc) throw error;
    throw new UnusableToc('json', `its TOC is no gzip data: ${(error as Error).message}`);
  }
  return Buffer.concat(pieces);
}

/** The document inside the tar of an eStargz TOC. */
export function tocOfTar(tar: Uint8Array): Uint8Array {
  try {
    const header = parseTarMemberHeader(tar, 0);
    const end = TAR_BLOCK_BYTES + (header?.payloadBytes ?? 0);
    if (header?.name === STARGZ_TOC_NAME && end <= tar.length) {
      return tar.subarray(TAR_BLOCK_BYTES, end);
    }
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
  throw new UnusableToc('json', `its TOC is no tar with ${STARGZ_TOC_NAME}`);
}

/**
 * The content of a chunk of an eStargz layer: the first `sizeBytes` of the gzip member at the start of the range. Padding and
 * headers of later tar members follow in that gzip member and are not read.
 * @throws IntegrityError CHUNK_CONTENT_MISMATCH
 */
export async function* inflateStargzChunk(
  range: Uint8Array,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  const stream = createGunzip();
  stream.end(range);
  let left = sizeBytes;
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      yield piece.subarray(0, left);
      left -= Math.min(left, piece.length);
      if (left === 0) return;
    }
  } catch (error) {
    failChunk(sizeBytes, (error as Error).message);
  }
  failChunk(sizeBytes, `${sizeBytes - left} bytes`);
}
