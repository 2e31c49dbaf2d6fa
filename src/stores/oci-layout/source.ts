import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { LocalReference, ResolvedImage, ResolveOptions } from '#formats/oci';

/**
 * Where the bytes of a blob lie: `sizeBytes` bytes from `offsetBytes` of an open file. Plain data: the descriptor is valid
 * in every worker of this process until the source is disposed. Read it with positional reads only (its own offset is
 * shared). The bytes are not verified: whoever streams them compares size and digest.
 */
export interface BlobRange {
  readonly fd: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** One image of a layout or archive, for listings. */
export interface ImageListing {
  readonly digest: ContentDigest;
  readonly mediaType: string;
  /** Tags, or whole names in a Docker archive. */
  readonly names: readonly string[];
  /** `os/arch[/variant]` where the index states it. */
  readonly platform: string | undefined;
}

/** An opened `oci:`, `oci-archive:`, `docker-archive:` or `dir:`. All calls block; close it with `using`. */
export interface ImageSource extends Disposable {
  readonly transport: LocalReference['transport'];
  /** What the layout offers, in its own order. */
  listImages(): readonly ImageListing[];
  /** Chooses and verifies the image that the reference names. @throws as `resolveImage`, NotFoundError TAG_NOT_FOUND */
  resolve(options?: ResolveOptions): ResolvedImage;
  /** Finds a blob. @throws NotFoundError BLOB_NOT_FOUND */
  openBlob(digest: ContentDigest): BlobRange;
  /** Reads a small blob whole and verifies it. @throws NotFoundError BLOB_NOT_FOUND, IntegrityError BLOB_DIGEST_MISMATCH */
  readBlob(digest: ContentDigest, maximumBytes: number): Uint8Array;
}

/**
 * Opens a local image. Compressed archives are unpacked once into an unnamed temporary file.
 * @throws NotFoundError IMAGE_SOURCE_NOT_FOUND; FormatError OCI_LAYOUT_INVALID, ARCHIVE_INVALID
 */
export async function openImageSource(
  _reference: LocalReference,
  _options: OperationOptions = {},
): Promise<ImageSource> {
  throw new Error('soon');
}
