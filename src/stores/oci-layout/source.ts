import type { ContentDigest } from '#base/digest';
import { algorithmOf, computeContentDigest } from '#base/digest';
import { ConflictError, NotFoundError } from '#base/errors';
import { type BlobRange, verifyDigest, verifySize } from '#base/flow';
import type { Descriptor, LocalReference, ResolvedImage, ResolveOptions } from '#formats/oci';
import { CONFIG_MAX_BYTES, requireDocumentSize, resolveImage } from '#formats/oci';
import { readRange } from './files.ts';

/** One image of a layout or archive, for listings. */
export interface ImageListing {
  readonly digest: ContentDigest;
  readonly mediaType: string;
  /** Tags, or complete names in a Docker archive. */
  readonly names: readonly string[];
  /** `os/arch[/variant]` where the index states it. */
  readonly platform: string | undefined;
}

/** An opened `oci:`, `oci-archive:`, `docker-archive:` or `dir:`. All calls block; close it with `using`. */
export interface ImageSource extends Disposable {
  readonly transport: LocalReference['transport'];
  /** The images of the layout, in the order of its index. */
  listImages(): readonly ImageListing[];
  /**
   * Selects and verifies the image of the reference. @throws as `resolveImage`, NotFoundError TAG_NOT_FOUND; ConflictError IMAGE_AMBIGUOUS
   */
  resolve(options?: ResolveOptions): ResolvedImage;
  /**
   * Manifests and indexes that the reference leaves to choose from; where it names one, that alone.
   * @throws NotFoundError TAG_NOT_FOUND; ConflictError IMAGE_AMBIGUOUS
   */
  listCandidates(): readonly Descriptor[];
  /** What of the source refers to a manifest: a layout lists it; the other transports have no place for it. @throws as `readBlob` */
  listReferrers(subject: ContentDigest): readonly Descriptor[];
  /**
   * Finds a blob. With `sizeBytes` (from its descriptor), a blob of another size is refused before it is read.
   * @throws NotFoundError BLOB_NOT_FOUND, IntegrityError BLOB_SIZE_MISMATCH
   */
  openBlob(digest: ContentDigest, sizeBytes?: number): BlobRange;
  /** Reads and verifies a small blob. @throws NotFoundError BLOB_NOT_FOUND, IntegrityError BLOB_DIGEST_MISMATCH */
  readBlob(digest: ContentDigest, maximumBytes?: number): Uint8Array;
}

/** Runs the resolution with blocking reads. */
export function resolveBlocking(
  candidates: Parameters<typeof resolveImage>[0],
  options: ResolveOptions,
  read: (digest: ContentDigest, maximumBytes: number) => Uint8Array,
): ResolvedImage {
  const search = resolveImage(candidates, options);
  let step = search.next();
  while (step.done !== true) {
    step = search.next(read(step.value.descriptor.digest, step.value.maximumBytes));
  }
  return step.value;
}

/** Reads a blob of a limited size; the digest is not verified. @throws FormatError OCI_DOCUMENT_TOO_LARGE */
export function readLimited(range: BlobRange, what: string, maximumBytes: number): Uint8Array {
  requireDocumentSize(range.sizeBytes, what, maximumBytes);
  return readRange(range);
}

/** Reads a blob of a limited size and verifies its digest. @throws IntegrityError BLOB_DIGEST_MISMATCH */
export function readVerified(
  range: BlobRange,
  digest: ContentDigest,
  maximumBytes: number = CONFIG_MAX_BYTES,
): Uint8Array {
  const bytes = readLimited(range, `blob ${digest}`, maximumBytes);
  verifyDigest(digest, computeContentDigest(bytes, algorithmOf(digest)));
  return bytes;
}

/** The range, if it has the expected size. @throws IntegrityError BLOB_SIZE_MISMATCH */
export function sized(
  range: BlobRange,
  digest: ContentDigest,
  sizeBytes: number | undefined,
): BlobRange {
  if (sizeBytes !== undefined) verifySize({ digest, sizeBytes }, range.sizeBytes);
  return range;
}

/** The error for a missing blob. */
export function blobNotFound(digest: ContentDigest, label: string): NotFoundError {
  return new NotFoundError(
    'BLOB_NOT_FOUND',
    `Cannot find blob ${digest} in "${label}": expected the blob that the manifest lists, found none`,
    { digest, source: label },
    { hint: 'The layout or archive is incomplete: create it again' },
  );
}

/** The error for a missing tag, digest or position. */
export function tagNotFound(
  wanted: string,
  label: string,
  available: readonly string[],
): NotFoundError {
  const names = available.length === 0 ? 'no tags' : available.join(', ');
  return new NotFoundError(
    'TAG_NOT_FOUND',
    `Cannot find "${wanted}" in "${label}": expected a tag of its index, found ${names}`,
    { tag: wanted, available },
    available[0] === undefined ? {} : { hint: `Choose one of: ${available.join(', ')}` },
  );
}

/** The error for a source of several images without a selector. `available` are the selectors of the images. */
export function ambiguousImage(label: string, available: readonly string[]): ConflictError {
  return new ConflictError(
    'IMAGE_AMBIGUOUS',
    `Cannot choose an image of "${label}": expected one image, found several: ${available.join(', ')}`,
    { available },
    { hint: `Add a tag or an index to the reference, for example :${available[0] ?? '@0'}` },
  );
}
