import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  type DiffId,
  isContentDigest,
  type ObjectId,
} from '#base/digest';
import { FormatError, IntegrityError, NotFoundError } from '#base/errors';
import { verifyDigest } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  hasOtherLayers,
  type ImageConfig,
  isArtifact,
  MANIFEST_MAX_BYTES,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Reading } from '#formats/tree';
import type { ErofsVersion, Repository } from '#stores/composefs';
import {
  blobRefName,
  configRefName,
  imageSlot,
  isImageSlot,
  manifestStreamName,
  STANDARD_READING_REF,
} from './names.ts';

/** A layer of a stored image. */
export interface StoredLayer {
  /** Digest of the blob in the manifest. */
  readonly digest: ContentDigest;
  /** Undefined for a layer of an artifact. */
  readonly diffId: DiffId | undefined;
  /** Its splitstream. */
  readonly id: ObjectId;
}

/** A stored image or artifact, with verified manifest and config. A value: nothing stays open. */
export interface OciImage {
  readonly manifestDigest: ContentDigest;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  /** Undefined for an artifact. */
  readonly config: ImageConfig | undefined;
  readonly configBytes: Uint8Array;
  readonly manifestStreamId: ObjectId;
  readonly configStreamId: ObjectId;
  /** Bottom first. */
  readonly layers: readonly StoredLayer[];
  /** EROFS images by slot of the config stream (`composefs.image`, `composefs.image.v1`, `composefs.image.boot…`). */
  readonly images: ReadonlyMap<string, ObjectId>;
  /** Reading of the EROFS images. `standard` only if they differ from those of composefs-rs; without images, `cfsctl` has no meaning. */
  readonly reading: Reading;
  /** Stored compressed blobs, by their digest. */
  readonly blobs: ReadonlyMap<ContentDigest, ObjectId>;
  /** The plain image of this EROFS version, if there is one. */
  imageId(version: ErofsVersion): ObjectId | undefined;
}

/**
 * Opens an image by tag or by `@digest` of its manifest.
 * @throws NotFoundError IMAGE_NOT_FOUND, STREAM_NOT_FOUND, OBJECT_NOT_FOUND; IntegrityError BLOB_DIGEST_MISMATCH,
 *   OBJECT_DIGEST_MISMATCH, IMAGE_INCOMPLETE; FormatError OCI_DOCUMENT_INVALID and those of a bad splitstream
 */
export function openOciImage(repository: Repository, name: string): OciImage {
  const manifestDigest = resolveManifest(repository, name);
  const stored = repository.streams.readDocument(manifestStreamName(manifestDigest), {
    contentType: CONTENT_TYPES.ociManifest,
    limitBytes: MANIFEST_MAX_BYTES,
  });
  const manifest = requireManifest(stored.bytes, manifestDigest);
  const configRef = stored.namedRefs.get(configRefName(manifest.config.digest));
  if (configRef === undefined) throw incomplete(manifestDigest, manifest.config.digest);
  const config = repository.streams.readDocument(
    { id: configRef },
    { contentType: CONTENT_TYPES.ociConfig, limitBytes: CONFIG_MAX_BYTES },
  );
  verifyDocument(config.bytes, manifest.config.digest);
  const parsed = isStoredAsArtifact(manifest, stored.namedRefs)
    ? undefined
    : { ...parseImageConfig(config.bytes), digest: manifest.config.digest };
  const refs = parsed === undefined ? stored.namedRefs : config.namedRefs;
  const images = new Map([...config.namedRefs].filter(([key]) => isImageSlot(key)));
  const blobs = new Map<ContentDigest, ObjectId>();
  for (const { digest } of manifest.layers) {
    const id = stored.namedRefs.get(blobRefName(digest));
    if (id !== undefined) blobs.set(digest, id);
  }
  return {
    manifestDigest,
    manifest,
    manifestBytes: stored.bytes,
    config: parsed,
    configBytes: config.bytes,
    manifestStreamId: stored.id,
    configStreamId: config.id,
    layers: layersOf(manifest, parsed, refs),
    images,
    reading: stored.namedRefs.has(STANDARD_READING_REF) ? 'standard' : 'cfsctl',
    blobs,
    imageId: (version) => images.get(imageSlot(version)),
  };
}

/** True when the layers of a stored manifest are blobs: always those of an artifact, and those of another kind beside the config of an image. */
export function isStoredAsArtifact(
  manifest: Manifest,
  refs: ReadonlyMap<string, ObjectId>,
): boolean {
  if (isArtifact(manifest)) return true;
  return hasOtherLayers(manifest) && manifest.layers.every(({ digest }) => refs.has(digest));
}

/** The manifest digest of a tag, `@digest` or a bare digest. @throws NotFoundError IMAGE_NOT_FOUND */
export function resolveManifest(repository: Repository, name: string): ContentDigest {
  const text = name.startsWith('@') ? name.slice(1) : name;
  if (isContentDigest(text)) {
    if (repository.streams.has(manifestStreamName(text))) return text;
  } else if (!name.startsWith('@')) {
    const tag = repository.tags.resolve(name);
    if (tag !== undefined) return tag.manifestDigest;
  }
  throw new NotFoundError(
    'IMAGE_NOT_FOUND',
    `Cannot open image "${name}": the repository has no image of this name`,
    { name },
    { hint: 'List all names with: onecopy images' },
  );
}

/**
 * Resolves a name to an EROFS image: for an OCI image, its plain image in the default version of the repository, or in another stored
 * version; otherwise a name in `images/`.
 * @throws NotFoundError IMAGE_NOT_FOUND; as `openOciImage`
 */
export function resolveImageId(repository: Repository, name: string): ObjectId {
  const isDigest = isContentDigest(name.startsWith('@') ? name.slice(1) : name);
  if (!isDigest && (name.startsWith('refs/') || repository.tags.resolve(name) === undefined)) {
    return repository.images.resolve(name);
  }
  const image = openOciImage(repository, name);
  const id = presentImageId(repository, image);
  if (id === undefined) throw missingFilesystem(name, image);
  return id;
}

/**
 * The stored plain EROFS image of an OCI image: in the default version of the repository, otherwise in another version; undefined if all
 * are missing.
 */
export function presentImageId(repository: Repository, image: OciImage): ObjectId | undefined {
  const versions = [...repository.versions, 1, 2] as const;
  return versions
    .map((version) => image.imageId(version))
    .find((id) => id !== undefined && repository.images.has(id) && repository.objects.has(id));
}

function missingFilesystem(name: string, image: OciImage): NotFoundError {
  const isArtifact = image.config === undefined;
  return new NotFoundError(
    'IMAGE_NOT_FOUND',
    `Cannot find the filesystem of image "${name}": ${isArtifact ? 'an artifact has none' : 'it is missing'}`,
    { name },
    isArtifact
      ? {}
      : { hint: `Build the filesystem from the stored layers with: onecopy fsck --repair ${name}` },
  );
}

function requireManifest(bytes: Uint8Array, digest: ContentDigest): Manifest {
  verifyDocument(bytes, digest);
  const document = parseManifest(bytes);
  if (document.kind === 'manifest') return { ...document, digest };
  throw new FormatError(
    'OCI_DOCUMENT_INVALID',
    `Cannot open image ${digest}: expected a manifest, found an image index`,
    { offset: 0, what: `manifest ${digest}` },
  );
}

function verifyDocument(bytes: Uint8Array, digest: ContentDigest): void {
  verifyDigest(digest, computeContentDigest(bytes, algorithmOf(digest)));
}

function layersOf(
  manifest: Manifest,
  config: ImageConfig | undefined,
  refs: ReadonlyMap<string, ObjectId>,
): StoredLayer[] {
  return manifest.layers.map(({ digest }, index) => {
    const diffId = config?.diffIds[index];
    const id = refs.get(diffId ?? digest);
    if (id === undefined) throw incomplete(manifest.digest, diffId ?? digest);
    return { digest, diffId, id };
  });
}

function incomplete(manifestDigest: ContentDigest, missing: string): IntegrityError {
  return new IntegrityError(
    'IMAGE_INCOMPLETE',
    `Cannot open image ${manifestDigest}: expected a reference to ${missing}, found none`,
    { image: manifestDigest, missing },
    { hint: 'Pull the image again; stored layers are not fetched again' },
  );
}
