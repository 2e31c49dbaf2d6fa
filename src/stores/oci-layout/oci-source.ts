import { algorithmOf, type ContentDigest, hexOf } from '#base/digest';
import { FormatError } from '#base/errors';
import type { BlobRange } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  CONTAINERD_NAME_ANNOTATION,
  type Descriptor,
  formatPlatform,
  type ImageIndex,
  isAttestation,
  isIndexType,
  isManifestType,
  type LocalReference,
  MANIFEST_MAX_BYTES,
  type Manifest,
  MEDIA_TYPES,
  parseManifest,
  REF_NAME_ANNOTATION,
  type ResolvedImage,
  type ResolveOptions,
  referrersTag,
  verifyLayoutMarker,
} from '#formats/oci';
import type { FileSet } from './files.ts';
import {
  ambiguousImage,
  blobNotFound,
  type ImageListing,
  type ImageSource,
  readLimited,
  readVerified,
  resolveBlocking,
  sized,
  tagNotFound,
} from './source.ts';

/**
 * An OCI image layout, in a directory or an archive. Source: image-spec image-layout.md.
 *
 *     oci-layout                {"imageLayoutVersion":"1.0.0"}
 *     index.json                descriptors, named by the annotation org.opencontainers.image.ref.name
 *     blobs/<algorithm>/<hex>   every manifest, config and layer
 */
export class OciSource implements ImageSource {
  readonly transport: LocalReference['transport'];
  readonly #files: FileSet;
  readonly #reference: LocalReference;
  readonly #index: ImageIndex;

  /** Takes ownership of `files`. @throws FormatError OCI_LAYOUT_INVALID, OCI_DOCUMENT_INVALID */
  constructor(files: FileSet, reference: LocalReference) {
    this.transport = reference.transport;
    this.#files = files;
    this.#reference = reference;
    this.#index = readIndex(files);
  }

  listImages(): readonly ImageListing[] {
    return this.#index.manifests.map((descriptor) => ({
      digest: descriptor.digest,
      mediaType: descriptor.mediaType,
      names: namesOf(descriptor),
      platform: descriptor.platform === undefined ? undefined : formatPlatform(descriptor.platform),
    }));
  }

  resolve(options: ResolveOptions = {}): ResolvedImage {
    return resolveBlocking(this.listCandidates(), options, (digest, maximumBytes) =>
      readLimited(this.openBlob(digest), `blob ${digest}`, maximumBytes),
    );
  }

  /**
   * The candidates for a reference: without a selector all entries, if they are one image, possibly for several platforms. (composefs-rs
   * uses the first matching entry.)
   */
  listCandidates(): readonly Descriptor[] {
    const { tag, index, digest } = this.#reference;
    const { manifests } = this.#index;
    if (digest !== undefined) return [this.#byDigest(digest)];
    if (index !== undefined) {
      const found = manifests[index];
      if (found === undefined) throw this.#notFound(`@${index}`);
      return [found];
    }
    if (tag === undefined) {
      const images = listImages(manifests);
      if (images.length > 1) throw ambiguousImage(this.#files.label, images);
      return manifests;
    }
    const named = manifests.filter((descriptor) => namesOf(descriptor).includes(tag));
    if (named.length === 0) throw this.#notFound(tag);
    return named;
  }

  /**
   * Manifests of the index whose subject it is, and what the index of the tag for referrers names.
   * Source: image-spec image-layout.md; distribution-spec 1.1, "Referrers tag schema".
   */
  listReferrers(subject: ContentDigest): readonly Descriptor[] {
    const found = new Map<ContentDigest, Descriptor>();
    for (const descriptor of this.#index.manifests) {
      const { digest, mediaType } = descriptor;
      if (!isManifestType(mediaType) && !isIndexType(mediaType)) continue;
      if (descriptor.sizeBytes > MANIFEST_MAX_BYTES || !this.#has(digest)) continue;
      const document = parseManifest(this.readBlob(digest, MANIFEST_MAX_BYTES), mediaType);
      if (document.subject?.digest === subject) {
        found.set(digest, typed(descriptor, document));
      } else if (document.kind === 'index' && namesOf(descriptor).includes(referrersTag(subject))) {
        for (const one of document.manifests) found.set(one.digest, one);
      }
    }
    return [...found.values()];
  }

  openBlob(digest: ContentDigest, sizeBytes?: number): BlobRange {
    const range = this.#files.find(`blobs/${algorithmOf(digest)}/${hexOf(digest)}`);
    if (range === undefined) throw blobNotFound(digest, this.#files.label);
    return sized(range, digest, sizeBytes);
  }

  readBlob(digest: ContentDigest, maximumBytes: number = CONFIG_MAX_BYTES): Uint8Array {
    return readVerified(this.openBlob(digest), digest, maximumBytes);
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  #has(digest: ContentDigest): boolean {
    return this.#files.find(`blobs/${algorithmOf(digest)}/${hexOf(digest)}`) !== undefined;
  }

  /** A descriptor of the index, or of any manifest among the blobs. */
  #byDigest(digest: ContentDigest): Descriptor {
    const listed = this.#index.manifests.find((descriptor) => descriptor.digest === digest);
    if (listed !== undefined) return listed;
    const { sizeBytes } = this.openBlob(digest);
    return { mediaType: '', digest, sizeBytes, annotations: new Map(), urls: [] };
  }

  #notFound(wanted: string) {
    const available = [...new Set(this.#index.manifests.flatMap(namesOf))];
    return tagNotFound(wanted, this.#files.label, available);
  }
}

/**
 * The images that an index offers, each by its first name or else its position. Entries of one name, and entries without a name that
 * state a platform, are one image for several platforms; names of one digest are one image. Attestations are none, and so are
 * referrers (without a name, but with an artifact type) beside images.
 */
function listImages(manifests: readonly Descriptor[]): readonly string[] {
  const known = new Set<ContentDigest>();
  const images = new Set<string>();
  let platforms: string | undefined;
  const isReferrer = (one: Descriptor) =>
    one.artifactType !== undefined && namesOf(one).length === 0;
  const isListed = manifests.every(isReferrer) ? () => true : (one: Descriptor) => !isReferrer(one);
  for (const [at, descriptor] of manifests.entries()) {
    if (isAttestation(descriptor) || known.has(descriptor.digest) || !isListed(descriptor))
      continue;
    known.add(descriptor.digest);
    const [name = `@${at}`] = namesOf(descriptor);
    const isPart = name === `@${at}` && descriptor.platform !== undefined;
    if (isPart) platforms ??= name;
    images.add(isPart ? (platforms ?? name) : name);
  }
  return [...images];
}

/** The descriptor of a referrer with what its manifest says of its type. */
function typed(descriptor: Descriptor, document: Manifest | ImageIndex): Descriptor {
  const { artifactType = document.artifactType, ...rest } = descriptor;
  const type =
    artifactType ?? (document.kind === 'manifest' ? document.config.mediaType : undefined);
  const { annotations } = document;
  return { ...rest, annotations, ...(type === undefined ? {} : { artifactType: type }) };
}

/** The tag and the complete name, which containerd and Docker write. */
function namesOf(descriptor: Descriptor): string[] {
  const names = [REF_NAME_ANNOTATION, CONTAINERD_NAME_ANNOTATION]
    .map((key) => descriptor.annotations.get(key))
    .filter((name) => name !== undefined && name !== '');
  return [...new Set(names)] as string[];
}

function readIndex(files: FileSet): ImageIndex {
  const marker = files.find('oci-layout');
  if (marker !== undefined) verifyLayoutMarker(readLimited(marker, 'oci-layout', 4096));
  const range = files.find('index.json');
  if (range === undefined) throw invalid(files.label, 'index.json', 'no such file');
  const bytes = readLimited(range, 'index.json', MANIFEST_MAX_BYTES);
  const index = parseManifest(bytes, MEDIA_TYPES.ociIndex);
  if (index.kind === 'index') return index;
  throw invalid(files.label, 'an image index in index.json', 'a manifest');
}

function invalid(label: string, expected: string, found: string): FormatError {
  return new FormatError(
    'OCI_LAYOUT_INVALID',
    `Cannot open image layout "${label}": expected ${expected}, found ${found}`,
    { offset: 0, what: 'index.json', path: label },
    {
      hint: 'oci: takes the directory that holds index.json, oci-archive: takes a tar archive of that directory',
    },
  );
}
