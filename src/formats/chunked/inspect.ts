import { gunzipSync } from 'node:zlib';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { TarSplitReader, type TarSplitRecord } from '#formats/tar-split';
import { inflateZstdSync } from '#formats/zstd';
import type { MetadataPosition } from './annotations.ts';
import { tocOfTar } from './estargz.ts';
import { FOOTER_TAIL_BYTES, parseChunkedFooter, parseStargzFooter } from './footer.ts';
import { type ChunkedLayer, LayerMatcher } from './layer.ts';
import { TAR_SPLIT_BYTES_MAX, TOC_BYTES_MAX } from './layout.ts';
import { type Toc, TocParser } from './toc.ts';
import { UnusableToc } from './verdict.ts';

/** Why a pull would not use a TOC, or would reject the layer. */
export interface TocFault {
  /** An error code, or a reason to pull the whole blob. */
  readonly code: string;
  readonly message: string;
}

/** The metadata found in a whole blob. */
export interface BlobInspection {
  readonly kind: 'zstd-chunked' | 'estargz';
  /** Undefined when the TOC could not be read. */
  readonly toc: Toc | undefined;
  /** The digest that the annotation of the descriptor should state. */
  readonly tocDigest: ContentDigest | undefined;
  /** Undefined without a tar-split, or when the TOC disagrees with it. */
  readonly layer: ChunkedLayer | undefined;
  readonly fault: TocFault | undefined;
}

type Found = { -readonly [key in keyof BlobInspection]: BlobInspection[key] };

/** Reads the TOC of a whole blob by its footer and compares it with the tar-split; undefined when the blob has no TOC. */
export function inspectChunkedBlob(blob: Uint8Array): BlobInspection | undefined {
  const chunked = parseChunkedFooter(blob.subarray(-FOOTER_TAIL_BYTES));
  const stargz = parseStargzFooter(blob.subarray(-FOOTER_TAIL_BYTES));
  if (chunked === undefined && stargz === undefined) return undefined;
  const kind = chunked === undefined ? 'estargz' : 'zstd-chunked';
  const found: Found = {
    kind,
    toc: undefined,
    tocDigest: undefined,
    layer: undefined,
    fault: undefined,
  };
  try {
    if (chunked !== undefined) inspectChunked(found, blob, chunked.toc, chunked.tarSplit);
    else if (stargz !== undefined) {
      inspectStargz(found, blob, stargz.tocOffset, blob.length - stargz.footerBytes);
    }
  } catch (error) {
    found.fault = faultOf(error);
  }
  return found;
}

function inspectChunked(
  found: Found,
  blob: Uint8Array,
  tocPosition: MetadataPosition,
  tarSplitPosition: MetadataPosition | undefined,
): void {
  const bytes = sliceOf(blob, tocPosition);
  found.tocDigest = computeContentDigest(bytes);
  const text = inflateWhole('TOC', bytes, tocPosition, TOC_BYTES_MAX);
  const parser = new TocParser({ endOffset: tocPosition.offset, isStargz: false });
  parser.push(text);
  const toc = parser.finish();
  found.toc = toc;
  if (tarSplitPosition === undefined || toc.tarSplitDigest === undefined) {
    throw new UnusableToc('no-tar-split', 'there is no tar-split that the TOC names');
  }
  const lines = sliceOf(blob, tarSplitPosition);
  const matcher = new LayerMatcher(toc);
  for (const record of recordsOf(
    inflateWhole('tar-split', lines, tarSplitPosition, TAR_SPLIT_BYTES_MAX),
  )) {
    matcher.push(record);
  }
  found.layer = matcher.finish();
}

function inspectStargz(found: Found, blob: Uint8Array, tocOffset: number, end: number): void {
  const tar = attempt('TOC', () =>
    gunzipSync(blob.subarray(tocOffset, end), { maxOutputLength: TOC_BYTES_MAX }),
  );
  const text = tocOfTar(tar);
  found.tocDigest = computeContentDigest(text);
  const parser = new TocParser({ endOffset: tocOffset, isStargz: true });
  parser.push(text);
  found.toc = parser.finish();
}

function sliceOf(blob: Uint8Array, { offset, lengthBytes }: MetadataPosition): Uint8Array {
  if (offset + lengthBytes > blob.length) {
    throw new UnusableToc(
      'annotation',
      `the footer names byte ${offset + lengthBytes} of ${blob.length}`,
    );
  }
  return blob.subarray(offset, offset + lengthBytes);
}

function inflateWhole(
  what: string,
  bytes: Uint8Array,
  { inflatedBytes }: MetadataPosition,
  limitBytes: number,
): Uint8Array {
  if (inflatedBytes > limitBytes) {
    throw new UnusableToc(
      'too-large',
      `its ${what} has ${inflatedBytes} bytes; the limit is ${limitBytes}`,
    );
  }
  const maxOutputLength = Math.max(inflatedBytes, 1);
  const text = attempt(what, () => inflateZstdSync(bytes, { maxOutputLength }));
  if (text.length === inflatedBytes) return text;
  throw new UnusableToc(
    'length',
    `its ${what} is ${text.length} bytes long where ${inflatedBytes} are claimed`,
  );
}

function attempt(what: string, work: () => Uint8Array): Uint8Array {
  try {
    return work();
  } catch (error) {
    throw new UnusableToc('json', `its ${what} cannot be inflated: ${(error as Error).message}`);
  }
}

function* recordsOf(lines: Uint8Array): Generator<TarSplitRecord> {
  const reader = new TarSplitReader();
  yield* reader.push(lines);
  yield* reader.end();
}

function faultOf(error: unknown): TocFault {
  if (error instanceof UnusableToc) return { code: error.verdict.reason, message: error.message };
  if (isOnecopyError(error)) return { code: error.code, message: error.message };
  throw error;
}
