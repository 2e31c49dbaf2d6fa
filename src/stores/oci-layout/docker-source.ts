import {
  type ContentDigest,
  computeContentDigest,
  createContentHasher,
  type DiffId,
  isContentDigest,
} from '#base/digest';
import { FormatError } from '#base/errors';
import type { BlobRange } from '#base/flow';
import {
  type BlobFacts,
  COMPRESSION_PROBE_BYTES,
  CONFIG_MAX_BYTES,
  type Descriptor,
  type DockerArchiveImage,
  detectCompression,
  encodeManifest,
  type LocalReference,
  MANIFEST_MAX_BYTES,
  MEDIA_TYPES,
  ociLayerType,
  parseDockerArchive,
  parseImageConfig,
  type ResolvedImage,
  type ResolveOptions,
} from '#formats/oci';
import { readAt } from '#host';
import { type FileSet, readRange } from './files.ts';
import { DOCKER_ARCHIVE_INDEX } from './layout.ts';
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

/** An image of the archive with its generated manifest. */
interface MadeImage {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
}

/**
 * The format of `docker save`: a tar with `manifest.json`, configs and (usually uncompressed) layer tars of one or more images. Its images
 * have no OCI manifest, so one is generated from the config and the layers. The same archive always gives the same bytes. The digest of an
 * uncompressed layer is its diff id; the digest of a compressed layer is in its name or is computed. Source: Docker image specification
 * v1.2.
 */
export class DockerSource implements ImageSource {
  readonly transport: LocalReference['transport'] = 'docker-archive';
  readonly #files: FileSet;
  readonly #reference: LocalReference;
  readonly #images: readonly DockerArchiveImage[];
  readonly #made = new Map<DockerArchiveImage, MadeImage>();
  readonly #blobs = new Map<ContentDigest, BlobRange>();

  /** Takes ownership of `files`. @throws FormatError OCI_LAYOUT_INVALID, OCI_DOCUMENT_INVALID */
  constructor(files: FileSet, reference: LocalReference) {
    this.#files = files;
    this.#reference = reference;
    const range = files.find(DOCKER_ARCHIVE_INDEX);
    if (range === undefined) throw notDocker(files);
    this.#images = parseDockerArchive(readLimited(range, DOCKER_ARCHIVE_INDEX, MANIFEST_MAX_BYTES));
  }

  listImages(): readonly ImageListing[] {
    return this.#images.map((image) => ({
      digest: this.#make(image).descriptor.digest,
      mediaType: MEDIA_TYPES.ociManifest,
      names: image.repoTags,
      platform: undefined,
    }));
  }

  resolve(options: ResolveOptions = {}): ResolvedImage {
    const made = this.#make(this.#choose());
    return resolveBlocking([made.descriptor], options, (digest, maximumBytes) =>
      digest === made.descriptor.digest
        ? made.bytes
        : readLimited(this.openBlob(digest), `blob ${digest}`, maximumBytes),
    );
  }

  listCandidates(): readonly Descriptor[] {
    return [this.#make(this.#choose()).descriptor];
  }

  listReferrers(): readonly Descriptor[] {
    return [];
  }

  openBlob(digest: ContentDigest, sizeBytes?: number): BlobRange {
    const known = this.#blobs.get(digest);
    if (known === undefined) throw blobNotFound(digest, this.#files.label);
    return sized(known, digest, sizeBytes);
  }

  readBlob(digest: ContentDigest, maximumBytes: number = CONFIG_MAX_BYTES): Uint8Array {
    for (const made of this.#made.values()) {
      if (made.descriptor.digest === digest) return made.bytes;
    }
    return readVerified(this.openBlob(digest), digest, maximumBytes);
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  #choose(): DockerArchiveImage {
    const { tag, index, digest } = this.#reference;
    const found = this.#images.filter((image, at) => {
      if (index !== undefined) return at === index;
      if (digest !== undefined) return this.#make(image).descriptor.digest === digest;
      return tag === undefined || image.repoTags.some((name) => isNamed(name, tag));
    });
    const [first, second] = found;
    const names = this.#images.flatMap((image) => image.repoTags);
    const wanted = tag ?? digest ?? `@${index ?? 0}`;
    if (first === undefined) throw tagNotFound(wanted, this.#files.label, names);
    // Images of one digest are one image, whatever their names.
    if (second !== undefined && digest === undefined) {
      throw ambiguousImage(
        this.#files.label,
        this.#images.map((image, at) => image.repoTags[0] ?? `@${at}`),
      );
    }
    return first;
  }

  /** @throws NotFoundError BLOB_NOT_FOUND; FormatError OCI_LAYOUT_INVALID, LAYER_COUNT_MISMATCH, OCI_DOCUMENT_INVALID */
  #make(image: DockerArchiveImage): MadeImage {
    const known = this.#made.get(image);
    if (known !== undefined) return known;
    const configRange = this.#member(image.configPath);
    const configBytes = readLimited(configRange, 'image config', CONFIG_MAX_BYTES);
    const { diffIds } = parseImageConfig(configBytes);
    requireLayerCount(image, diffIds);
    const layers = image.layerPaths.map((path, at) => this.#layer(path, diffIds[at] as DiffId));
    const config = { digest: computeContentDigest(configBytes), sizeBytes: configBytes.length };
    this.#blobs.set(config.digest, configRange);
    const bytes = encodeManifest(config, layers);
    const descriptor = {
      mediaType: MEDIA_TYPES.ociManifest,
      digest: computeContentDigest(bytes),
      sizeBytes: bytes.length,
      annotations: new Map<string, string>(),
      urls: [],
    };
    const made = { bytes, descriptor };
    this.#made.set(image, made);
    return made;
  }

  #layer(path: string, diffId: DiffId): BlobFacts {
    const range = this.#member(path);
    const head = readRange({
      ...range,
      sizeBytes: Math.min(range.sizeBytes, COMPRESSION_PROBE_BYTES),
    });
    const compression = detectCompression(head);
    const digest =
      compression === 'none'
        ? (diffId as string as ContentDigest)
        : (digestInName(path) ?? hashRange(range));
    this.#blobs.set(digest, range);
    return { digest, sizeBytes: range.sizeBytes, mediaType: ociLayerType(compression) };
  }

  #member(path: string): BlobRange {
    const range = this.#files.find(path);
    if (range !== undefined) return range;
    throw new FormatError(
      'OCI_LAYOUT_INVALID',
      `Cannot read Docker archive "${this.#files.label}": expected member "${path}", found none`,
      { offset: 0, what: path.slice(0, 200), path: this.#files.label },
    );
  }
}

/** A complete name, with or without the prefixes of Docker Hub, or only the tag. */
function isNamed(name: string, wanted: string): boolean {
  const short = (text: string) => text.replace(/^docker\.io\//, '').replace(/^library\//, '');
  const withTag = wanted.includes(':') ? wanted : `${wanted}:latest`;
  return short(name) === short(withTag) || name.slice(name.lastIndexOf(':') + 1) === wanted;
}

/** The digest in a member name of the form `blobs/sha256/<hex>`, which newer versions of Docker write. */
function digestInName(path: string): ContentDigest | undefined {
  const match = /(?:^|\/)blobs\/(sha256|sha384|sha512)\/([0-9a-f]+)$/.exec(path);
  const digest = match === null ? '' : `${match[1]}:${match[2]}`;
  return isContentDigest(digest) ? digest : undefined;
}

function hashRange(range: BlobRange): ContentDigest {
  const hasher = createContentHasher();
  const piece = Buffer.allocUnsafe(1 << 20);
  for (let at = 0; at < range.sizeBytes; ) {
    const into = piece.subarray(0, Math.min(piece.length, range.sizeBytes - at));
    const length = readAt(range.fd, into, range.offsetBytes + at);
    if (length === 0) break;
    hasher.update(into.subarray(0, length));
    at += length;
  }
  return hasher.finish();
}

function requireLayerCount(image: DockerArchiveImage, diffIds: readonly DiffId[]): void {
  const expected = image.layerPaths.length;
  const found = diffIds.length;
  if (expected === found) return;
  throw new FormatError(
    'LAYER_COUNT_MISMATCH',
    `Cannot use image "${image.configPath}": expected ${expected} diff ids in its config, found ${found}`,
    { offset: 0, what: image.configPath.slice(0, 200), expected, found },
  );
}

function notDocker(files: FileSet): FormatError {
  return new FormatError(
    'OCI_LAYOUT_INVALID',
    `Cannot open Docker archive "${files.label}": expected manifest.json, found no such file`,
    { offset: 0, what: DOCKER_ARCHIVE_INDEX, path: files.label },
    files.find('index.json') === undefined
      ? {}
      : { hint: 'This is an OCI layout: use oci-archive:' },
  );
}
