import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  type DiffId,
  type ObjectId,
} from '#base/digest';
import { FormatError, isOnecopyError, NotFoundError } from '#base/errors';
import { verifyDigest } from '#base/flow';
import {
  hasOtherLayers,
  isArtifact as isArtifactManifest,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from '#formats/oci';
import { syncfs } from '#host';
import type { Repository } from '#stores/composefs';
import {
  buildImage,
  configStreamName,
  layerStreamName,
  manifestStreamName,
  type OciImage,
  openOciImage,
  storeConfig,
  storeManifest,
} from '#work/image';

/** The streams of a stored image. */
export interface NamedImage {
  readonly manifestDigest: ContentDigest;
  readonly manifestStreamId: ObjectId;
  readonly configDigest: ContentDigest;
  readonly configStreamId: ObjectId;
}

/** Options of naming an image. */
export interface NameImageOptions {
  /** Tag to give the image; without one the next garbage collection removes it. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A layer by its diff id, or by its digest in an artifact, and its stream. */
export type LayerId = readonly [id: string, streamId: ObjectId];

/** An image whose layers are stored. */
interface ImageParts {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly configBytes: Uint8Array;
  readonly layers: readonly LayerId[];
  readonly isArtifact: boolean;
}

/**
 * Stores config and manifest of an image whose layers are stored, builds its EROFS images, and tags it. Streams that are named already stay.
 * @throws as `storeConfig`, `buildImage`; HostError SYSCALL_FAILED, NO_SPACE; the reason of the signal
 */
export async function nameImage(
  target: Repository,
  { manifest, manifestBytes, configBytes, layers, isArtifact }: ImageParts,
  { name, signal }: NameImageOptions,
): Promise<NamedImage> {
  const { digest: manifestDigest, config } = manifest;
  const configId = await storeConfig(target, configBytes, { layers });
  const refs = { config: [config.digest, configId] as const, layers };
  const manifestId = await storeManifest(target, manifestBytes, refs);
  syncfs(target.root);
  signal?.throwIfAborted();
  const present = findImage(target, manifestDigest);
  if (present === undefined) {
    target.streams.register(configStreamName(config.digest), configId);
    target.streams.register(manifestStreamName(manifestDigest), manifestId);
  }
  if (!isArtifact && (present?.images.size ?? 0) === 0) {
    await buildImage(target, `@${manifestDigest}`, { reading: 'cfsctl', signal });
  }
  if (name !== undefined) target.tags.set(name, manifestDigest);
  const { manifestStreamId, configStreamId } = openOciImage(target, `@${manifestDigest}`);
  return { manifestDigest, manifestStreamId, configDigest: config.digest, configStreamId };
}

/** The image in the target: its streams stay, with the EROFS images that they lead to. What cannot be read is written anew. */
function findImage(target: Repository, digest: ContentDigest): OciImage | undefined {
  try {
    return openOciImage(target, `@${digest}`);
  } catch (error) {
    if (isOnecopyError(error) && error.kind !== 'host') return undefined;
    throw error;
  }
}

/** The documents of an image, and its layers as the sender knows them. */
export interface ImageToFinish {
  readonly manifestBytes: Uint8Array;
  readonly configBytes: Uint8Array;
  readonly layers: readonly LayerId[];
}

/**
 * Names an image whose layers a client has stored before. The config must be that of the manifest, and each layer must be stored under its diff
 * id with the stream that the client names.
 * @throws FormatError OCI_DOCUMENT_INVALID; IntegrityError BLOB_DIGEST_MISMATCH; NotFoundError STREAM_NOT_FOUND; as `nameImage`
 */
export async function finishImage(
  target: Repository,
  { manifestBytes, configBytes, layers }: ImageToFinish,
  options: NameImageOptions = {},
): Promise<NamedImage> {
  target.ensureWritable();
  const manifest = parseManifest(manifestBytes);
  if (manifest.kind !== 'manifest') {
    throw new FormatError(
      'OCI_DOCUMENT_INVALID',
      'Cannot finish image: expected a manifest, found an image index',
      { offset: 0, what: 'manifest', reason: 'an image index' },
    );
  }
  const { digest } = manifest.config;
  verifyDigest(digest, computeContentDigest(configBytes, algorithmOf(digest)));
  const given = new Map(layers);
  const blobs = manifest.layers.map(({ digest }) => digest);
  const isArtifact =
    isArtifactManifest(manifest) ||
    (hasOtherLayers(manifest) && blobs.every((digest) => given.has(digest)));
  const ids: readonly (ContentDigest | DiffId)[] = isArtifact
    ? blobs
    : parseImageConfig(configBytes).diffIds;
  const wanted = [...new Set(ids)].map((id) => [id, storedLayer(target, id, given)] as const);
  const parts = { manifest, manifestBytes, configBytes, layers: wanted, isArtifact };
  return await nameImage(target, parts, options);
}

/** @throws NotFoundError STREAM_NOT_FOUND */
function storedLayer(
  target: Repository,
  id: ContentDigest | DiffId,
  given: ReadonlyMap<string, ObjectId>,
): ObjectId {
  const name = layerStreamName(id);
  const found = target.streams.idOf(name);
  const expected = given.get(id);
  if (found !== undefined && found === expected) return found;
  const reason = expected === undefined ? 'the call does not name it' : `found ${found ?? 'none'}`;
  throw new NotFoundError(
    'STREAM_NOT_FOUND',
    `Cannot finish image: layer ${id}: expected stream ${expected ?? 'of the layer'}, ${reason}`,
    { name },
  );
}
