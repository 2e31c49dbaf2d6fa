import { type ContentDigest, isContentDigest } from '#base/digest';
import { FormatError } from '#base/errors';
import { SKIPPABLE_HEADER_BYTES } from '#formats/zstd';
import {
  CHUNKED_ANNOTATION,
  METADATA_BYTES_MAX,
  TAR_SPLIT_BYTES_MAX,
  TOC_BYTES_MAX,
  TOC_TYPE,
} from './layout.ts';
import { type TocUnusable, unusable } from './verdict.ts';

/** Position of a compressed document in a blob. */
export interface MetadataPosition {
  readonly offset: number;
  readonly lengthBytes: number;
  /** Length after inflating, as the annotation claims. */
  readonly inflatedBytes: number;
}

/** Position of a layer's TOC, as its descriptor states it. */
export type TocLocation =
  | {
      readonly kind: 'zstd-chunked';
      /** Digest of the compressed TOC. */
      readonly tocDigest: ContentDigest;
      readonly toc: MetadataPosition;
      readonly tarSplit: MetadataPosition;
    }
  | {
      readonly kind: 'estargz';
      /** Digest of the uncompressed TOC. */
      readonly tocDigest: ContentDigest;
    };

/**
 * Locates the TOC of a layer by the annotations of its descriptor and the size of its blob. Undefined: the layer has no TOC.
 * Nothing is requested or allocated because of an annotation's claim.
 * @throws FormatError CHUNKED_ANNOTATION_CONFLICT when the layer claims to be of both kinds
 */
export function locateToc(
  annotations: ReadonlyMap<string, string>,
  blobBytes: number,
): TocLocation | TocUnusable | undefined {
  const chunked = annotations.get(CHUNKED_ANNOTATION.tocDigest);
  const stargz = annotations.get(CHUNKED_ANNOTATION.stargzTocDigest);
  if (chunked !== undefined && stargz !== undefined) conflict(chunked, stargz);
  if (stargz !== undefined) {
    return isContentDigest(stargz)
      ? { kind: 'estargz', tocDigest: stargz }
      : badAnnotation(CHUNKED_ANNOTATION.stargzTocDigest, stargz);
  }
  if (chunked === undefined) return undefined;
  if (!isContentDigest(chunked)) return badAnnotation(CHUNKED_ANNOTATION.tocDigest, chunked);
  return locateChunked(annotations, chunked, blobBytes);
}

function locateChunked(
  annotations: ReadonlyMap<string, string>,
  tocDigest: ContentDigest,
  blobBytes: number,
): TocLocation | TocUnusable {
  const tocText = annotations.get(CHUNKED_ANNOTATION.tocPosition) ?? '';
  const tocNumbers = numbersOf(tocText, 4);
  if (tocNumbers === undefined || tocNumbers[3] !== TOC_TYPE) {
    return badAnnotation(CHUNKED_ANNOTATION.tocPosition, tocText);
  }
  const splitText = annotations.get(CHUNKED_ANNOTATION.tarSplitPosition);
  if (splitText === undefined) {
    return unusable('no-tar-split', 'the layer has no tar-split to verify its diff id with');
  }
  const splitNumbers = numbersOf(splitText, 3);
  if (splitNumbers === undefined) {
    return badAnnotation(CHUNKED_ANNOTATION.tarSplitPosition, splitText);
  }
  const toc = positionOf(tocNumbers);
  const tarSplit = positionOf(splitNumbers);
  const bad =
    checkPosition('TOC', toc, blobBytes, TOC_BYTES_MAX) ??
    checkPosition('tar-split', tarSplit, blobBytes, TAR_SPLIT_BYTES_MAX);
  return bad ?? { kind: 'zstd-chunked', tocDigest, toc, tarSplit };
}

/** Decimal numbers separated by colons, exactly `count` of them, without signs or leading zeros. */
function numbersOf(text: string, count: number): readonly number[] | undefined {
  const parts = text.split(':');
  const numbers = parts.map(Number);
  const isPlain = parts.every((part, at) => {
    return /^(?:0|[1-9][0-9]*)$/.test(part) && Number.isSafeInteger(numbers[at]);
  });
  return parts.length === count && isPlain ? numbers : undefined;
}

function positionOf(numbers: readonly number[]): MetadataPosition {
  const [offset = 0, lengthBytes = 0, inflatedBytes = 0] = numbers;
  return { offset, lengthBytes, inflatedBytes };
}

function checkPosition(
  what: string,
  { offset, lengthBytes, inflatedBytes }: MetadataPosition,
  blobBytes: number,
  inflatedMax: number,
): TocUnusable | undefined {
  if (offset < SKIPPABLE_HEADER_BYTES || lengthBytes === 0 || lengthBytes > blobBytes - offset) {
    return unusable(
      'annotation',
      `its ${what} is to be at ${offset} with ${lengthBytes} bytes, and the blob has ${blobBytes}`,
    );
  }
  if (lengthBytes > METADATA_BYTES_MAX || inflatedBytes > inflatedMax) {
    return unusable(
      'too-large',
      `its ${what} has ${lengthBytes} bytes, inflated ${inflatedBytes}; the limits are ${METADATA_BYTES_MAX} and ${inflatedMax}`,
    );
  }
  return undefined;
}

function badAnnotation(name: string, found: string): TocUnusable {
  return unusable('annotation', `annotation ${name} is ${JSON.stringify(found.slice(0, 100))}`);
}

function conflict(chunked: string, stargz: string): never {
  throw new FormatError(
    'CHUNKED_ANNOTATION_CONFLICT',
    `Cannot use layer: expected one kind of TOC, found zstd:chunked ${JSON.stringify(chunked)} and eStargz ${JSON.stringify(stargz)}`,
    { offset: 0, what: 'annotations', chunked, stargz },
  );
}
