import { type ContentDigest, computeContentDigest, hexOf } from '#base/digest';
import { FormatError } from '#base/errors';
import type { BlobRange } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  type Descriptor,
  type LocalReference,
  MANIFEST_MAX_BYTES,
  type ResolvedImage,
  type ResolveOptions,
} from '#formats/oci';
import type { FileSet } from './files.ts';
import {
  blobNotFound,
  type ImageListing,
  type ImageSource,
  readLimited,
  readVerified,
  resolveBlocking,
  sized,
} from './source.ts';

/**
 * skopeo's plain directory: one image, blobs named by the hex of their digest. Source: containers-transports(5) `dir:`.
 *
 *     version                 Directory Transport Version: 1.1
 *     manifest.json           the manifest, or a list of them
 *     <hex>                   config and layers (`<hex>.tar` in version 1.0)
 *     <hex>.manifest.json     manifests of a list
 */
export class DirSource implements ImageSource {
  readonly transport: LocalReference['transport'] = 'dir';
  readonly #files: FileSet;
  readonly #manifest: Uint8Array;
  readonly #descriptor: Descriptor;

  /** Takes ownership of `files`. @throws FormatError OCI_LAYOUT_INVALID, OCI_DOCUMENT_TOO_LARGE */
  constructor(files: FileSet) {
    this.#files = files;
    this.#manifest = readTopManifest(files);
    this.#descriptor = {
      mediaType: '',
      digest: computeContentDigest(this.#manifest),
      sizeBytes: this.#manifest.length,
      annotations: new Map(),
      urls: [],
    };
  }

  listImages(): readonly ImageListing[] {
    const { digest, mediaType } = this.#descriptor;
    return [{ digest, mediaType, names: [], platform: undefined }];
  }

  resolve(options: ResolveOptions = {}): ResolvedImage {
    return resolveBlocking([this.#descriptor], options, (digest, maximumBytes) =>
      digest === this.#descriptor.digest
        ? this.#manifest
        : readLimited(this.openBlob(digest), `blob ${digest}`, maximumBytes),
    );
  }

  listCandidates(): readonly Descriptor[] {
    return [this.#descriptor];
  }

  listReferrers(): readonly Descriptor[] {
    return [];
  }

  openBlob(digest: ContentDigest, sizeBytes?: number): BlobRange {
    const hex = hexOf(digest);
    for (const name of [`${hex}.manifest.json`, hex, `${hex}.tar`]) {
      const range = this.#files.find(name);
      if (range !== undefined) return sized(range, digest, sizeBytes);
    }
    throw blobNotFound(digest, this.#files.label);
  }

  readBlob(digest: ContentDigest, maximumBytes: number = CONFIG_MAX_BYTES): Uint8Array {
    if (digest === this.#descriptor.digest) return this.#manifest;
    return readVerified(this.openBlob(digest), digest, maximumBytes);
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }
}

function readTopManifest(files: FileSet): Uint8Array {
  const range = files.find('manifest.json');
  if (range !== undefined) return readLimited(range, 'manifest.json', MANIFEST_MAX_BYTES);
  throw new FormatError(
    'OCI_LAYOUT_INVALID',
    `Cannot open image directory "${files.label}": expected manifest.json, found no such file`,
    { offset: 0, what: 'manifest.json', path: files.label },
    files.find('index.json') === undefined ? {} : { hint: 'This is an OCI layout: use oci:' },
  );
}
