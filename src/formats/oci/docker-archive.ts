import type { ContentDigest } from '#base/digest';
import { parseDocument } from './json.ts';
import { LAYERS_MAX, MANIFEST_MAX_BYTES, MEDIA_TYPES } from './layout.ts';

/** Most images of one Docker archive. */
const ARCHIVE_IMAGES_MAX = 10_000;

/** One image of a Docker archive: names of members, relative to the archive's root. */
export interface DockerArchiveImage {
  readonly configPath: string;
  /** Full names, `name:tag`. */
  readonly repoTags: readonly string[];
  /** Bottom first. */
  readonly layerPaths: readonly string[];
}

/**
 * Parses the `manifest.json` of a Docker archive.
 * Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
 * @throws FormatError OCI_DOCUMENT_INVALID, OCI_DOCUMENT_TOO_LARGE
 */
export function parseDockerArchive(bytes: Uint8Array): DockerArchiveImage[] {
  const document = parseDocument(bytes, 'manifest.json', MANIFEST_MAX_BYTES);
  if (document.isAbsent) document.fail('an array');
  return document.list(ARCHIVE_IMAGES_MAX).map((image) => ({
    configPath: image.get('Config').string(),
    repoTags: image.get('RepoTags').strings(ARCHIVE_IMAGES_MAX),
    layerPaths: image.get('Layers').strings(LAYERS_MAX),
  }));
}

/** A blob to list in a manifest. */
export interface BlobFacts {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly annotations?: ReadonlyMap<string, string> | undefined;
}

/**
 * The bytes of an OCI manifest: compact JSON with these keys in this order, so equal blobs produce the same digest. Used for
 * images without a manifest, and when layers had to be packed again. Source: image-spec manifest.md.
 */
export function encodeManifest(
  config: Omit<BlobFacts, 'mediaType'>,
  layers: readonly BlobFacts[],
  annotations: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.sizeBytes },
    layers: layers.map(({ mediaType, digest, sizeBytes, annotations: own }) => ({
      mediaType,
      digest,
      size: sizeBytes,
      ...(own === undefined || own.size === 0 ? {} : { annotations: Object.fromEntries(own) }),
    })),
    ...(annotations.size === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
  };
  return Buffer.from(JSON.stringify(document));
}
