import { computeContentDigest } from '#base/digest';
import { verifyDigest } from '#base/flow';
import { TarSplitReader, type TarSplitRecord } from '#formats/tar-split';
import type { TocLocation } from './annotations.ts';
import { inflateMetadata } from './inflate.ts';
import { type ChunkedLayer, LayerMatcher } from './layer.ts';
import { TAR_SPLIT_BYTES_MAX, TOC_BYTES_MAX } from './layout.ts';
import { type Toc, TocParser } from './toc.ts';
import { type TocUnusable, UnusableToc, verdictOf } from './verdict.ts';

/** Positions of TOC and tar-split of a zstd:chunked layer. */
export type ChunkedLocation = Extract<TocLocation, { kind: 'zstd-chunked' }>;

/**
 * Reads a compressed TOC: verifies its digest, inflates no further than the claimed length, checks every chunk table.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH; FormatError CHUNKED_METADATA_TOO_LARGE, CHUNKED_TOC_INVALID
 */
export function readToc(bytes: Uint8Array, location: ChunkedLocation): Promise<Toc | TocUnusable> {
  return verdictOf(async () => {
    verifyDigest(location.tocDigest, computeContentDigest(bytes));
    const parser = new TocParser({ endOffset: location.toc.offset, isStargz: false });
    for await (const piece of inflateMetadata('TOC', bytes, location.toc, TOC_BYTES_MAX)) {
      parser.push(piece);
    }
    const toc = parser.finish();
    if (toc.tarSplitDigest === undefined) {
      throw new UnusableToc('no-tar-split', 'it names no tar-split, as early writers left it');
    }
    return toc;
  });
}

/**
 * Reads a compressed tar-split and compares the TOC with it.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH, CHUNKED_TOC_MISMATCH; FormatError CHUNKED_METADATA_TOO_LARGE,
 * CHUNKED_TOC_INVALID, TAR_SPLIT_INVALID, TAR_*
 */
export function readChunkedLayer(
  toc: Toc,
  tarSplit: Uint8Array,
  location: ChunkedLocation,
): Promise<ChunkedLayer | TocUnusable> {
  return verdictOf(async () => {
    if (toc.tarSplitDigest !== undefined) {
      verifyDigest(toc.tarSplitDigest, computeContentDigest(tarSplit));
    }
    const matcher = new LayerMatcher(toc);
    for await (const records of tarSplitRecords(tarSplit, location)) {
      for (const record of records) matcher.push(record);
    }
    return matcher.finish();
  });
}

/** Reads the records of a tar-split again after `readChunkedLayer`, to assemble the tar; some at a time, as they are inflated. */
export async function* tarSplitRecords(
  tarSplit: Uint8Array,
  location: ChunkedLocation,
): AsyncGenerator<readonly TarSplitRecord[]> {
  const reader = new TarSplitReader();
  const pieces = inflateMetadata('tar-split', tarSplit, location.tarSplit, TAR_SPLIT_BYTES_MAX);
  for await (const piece of pieces) yield [...reader.push(piece)];
  yield [...reader.end()];
}
