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
  type LocalReference,
  MANIFEST_MAX_BYTES,
  MEDIA_TYPES,
  parseManifest,
  REF_NAME_ANNOTATION,
  type ResolvedImage,
  type ResolveOptions,
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

  /** Takes over `files`. @throws FormatError OCI_LAYOUT_INVALID, OCI_DOCUMENT_INVALID */
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
    return resolveBlocking(this.#candidates(), options, (digest, maximumBytes) =>
      readLimited(this.openBlob(digest), `blob ${digest}`, maximumBytes),
    );
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

  /**
   * What the reference leaves to choose from: without a selector everything, where that is one image, perhaps for several platforms.
   * (composefs-rs takes the first that fits of whatever lies there.)
   */
  #candidates(): readonly Descriptor[] {
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
 * state a platform, are one image for several platforms; names of one digest are one image. Attestations are none.
 */
function listImages(manifests: readonly Descriptor[]): readonly string[] {
  const known = new Set<ContentDigest>();
  const images = new Set<string>();
  let platforms: string | undefined;
  for (const [at, descriptor] of manifests.entries()) {
    if (isAttestation(descriptor) || known.has(descriptor.digest)) continue;
    known.add(descriptor.digest);
    const [name = `@${at}`] = namesOf(descriptor);
    const isPart = name === `@${at}` && descriptor.platform !== undefined;
    if (isPart) platforms ??= name;
    images.add(isPart ? (platforms ?? name) : name);
  }
  return [...images];
}

/** The tag and, as containerd and Docker write it, the whole name. */
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
  if (range === undefined) throw invalid(files.label, 'index.json', 'nothing of this name');
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
    { hint: 'oci: wants the directory that holds index.json, oci-archive: a tar of it' },
  );
}
