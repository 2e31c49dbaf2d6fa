import { type ContentDigest, computeContentDigest } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import { type Descriptor, readDescriptor } from './descriptor.ts';
import { type JsonField, parseDocument } from './json.ts';
import { LAYERS_MAX, MANIFEST_MAX_BYTES, MEDIA_TYPES } from './layout.ts';
import { isImageConfigType, isIndexType, isManifestType, parseLayerType } from './media-type.ts';

/** An image manifest, OCI or Docker schema 2, with the exact bytes that its digest names; they are never rewritten. */
export interface Manifest {
  readonly kind: 'manifest';
  readonly bytes: Uint8Array;
  readonly digest: ContentDigest;
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

/** An OCI image index or a Docker manifest list, with its exact bytes. */
export interface ImageIndex {
  readonly kind: 'index';
  readonly bytes: Uint8Array;
  readonly digest: ContentDigest;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

/**
 * Parses a manifest or an index. The document's own `mediaType` decides, then `mediaType` (of the descriptor or the
 * Content-Type header), then its shape. The digest is computed over `bytes`; compare it with the expected one.
 * Sources: image-spec manifest.md and image-index.md; Docker image manifest version 2, schema 2.
 * @throws FormatError OCI_DOCUMENT_TOO_LARGE, OCI_DOCUMENT_INVALID; UnsupportedError MEDIA_TYPE_UNSUPPORTED (Docker schema 1 too)
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest | ImageIndex {
  const document = parseDocument(bytes, 'manifest', MANIFEST_MAX_BYTES);
  refuseSchema1(document, mediaType);
  const stated = document.get('mediaType').optionalString() ?? mediaType;
  const type = stated === undefined || stated === '' ? typeByShape(document) : stated;
  if (isIndexType(type)) return readIndex(document, bytes, type);
  if (isManifestType(type)) return readManifest(document, bytes, type);
  throw unsupportedType(type);
}

/** True when the manifest is not a container image: its config is not an image config. */
export function isArtifact(manifest: Manifest): boolean {
  return !isImageConfigType(manifest.config.mediaType);
}

/**
 * True when the layers of a manifest are not a file system: for artifacts, and for attestations and signatures that have an image
 * config.
 */
export function hasOtherLayers(manifest: Manifest): boolean {
  return (
    isArtifact(manifest) ||
    manifest.layers.some(({ mediaType }) => parseLayerType(mediaType) === undefined)
  );
}

/** The members of a document that concern its reference to another one. */
function readReferral(document: JsonField) {
  const artifactType = document.get('artifactType').optionalString();
  const subject = document.get('subject');
  return {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject.isAbsent ? {} : { subject: readDescriptor(subject) }),
  };
}

function readManifest(document: JsonField, bytes: Uint8Array, mediaType: string): Manifest {
  return {
    kind: 'manifest',
    bytes,
    digest: computeContentDigest(bytes),
    mediaType,
    config: readDescriptor(document.get('config')),
    layers: document.get('layers').list(LAYERS_MAX).map(readDescriptor),
    annotations: document.get('annotations').stringMap(),
    ...readReferral(document),
  };
}

function readIndex(document: JsonField, bytes: Uint8Array, mediaType: string): ImageIndex {
  return {
    kind: 'index',
    bytes,
    digest: computeContentDigest(bytes),
    mediaType,
    // umoci writes null for an empty list.
    manifests: document.get('manifests').list(MANIFEST_MAX_BYTES).map(readDescriptor),
    annotations: document.get('annotations').stringMap(),
    ...readReferral(document),
  };
}

/** OCI documents may omit `mediaType`. An index has `manifests`; a document with both is rejected. */
function typeByShape(document: JsonField): string {
  const hasManifests = !document.get('manifests').isAbsent;
  const hasConfig = !document.get('config').isAbsent || !document.get('layers').isAbsent;
  if (hasManifests && hasConfig) document.fail('a manifest or an index, not both');
  return hasManifests ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest;
}

function refuseSchema1(document: JsonField, mediaType: string | undefined): void {
  const version = document.get('schemaVersion');
  const stated = document.get('mediaType').optionalString() ?? mediaType ?? '';
  const isType1 =
    stated === MEDIA_TYPES.dockerManifest1 || stated === MEDIA_TYPES.dockerManifest1Signed;
  const isVersion1 = !version.isAbsent && version.size() === 1;
  if (isType1 || isVersion1) throw unsupportedType(isType1 ? stated : MEDIA_TYPES.dockerManifest1);
}

function unsupportedType(mediaType: string): UnsupportedError {
  const isSchema1 =
    mediaType === MEDIA_TYPES.dockerManifest1 || mediaType === MEDIA_TYPES.dockerManifest1Signed;
  return new UnsupportedError(
    'MEDIA_TYPE_UNSUPPORTED',
    `Cannot read manifest: expected an OCI or Docker schema 2 media type, found "${mediaType.slice(0, 200)}"`,
    { mediaType: mediaType.slice(0, 200) },
    isSchema1
      ? { hint: 'Docker schema 1 images have no config; push the image again with a current tool' }
      : {},
  );
}
