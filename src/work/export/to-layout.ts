import { type ContentDigest, computeContentDigest, type DiffId, type ObjectId } from '#base/digest';
import { ConflictError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  type Compression,
  type Descriptor,
  hostPlatform,
  type LayoutEntry,
  type LocalReference,
  MEDIA_TYPES,
} from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { type ImageTarget, openImageTarget, type WrittenBlob } from '#stores/oci-layout';
import {
  manifestsBelow,
  type OciImage,
  openOciImage,
  openStoredIndex,
  type StoredLayer,
} from '#work/image';
import { packedChunked } from './chunked-blob.ts';
import {
  isPackedAs,
  type Packing,
  packedType,
  storedBlob,
  wholeObjectOf,
  whyPlainText,
} from './layer-blobs.ts';
import { packed, rebuildLayer } from './layer-bytes.ts';
import { manifestOf } from './manifest.ts';

/** Options for an export to a layout or archive. */
export interface ExportOptions extends OperationOptions {
  /**
   * Compression of layers without a stored blob. With `none` (the default), the digest of a blob is its diff id on every machine; `gzip`
   * (level 6) and `zstd` (level 3) give smaller blobs that depend on the version of the compressor.
   */
  readonly compression?: Compression | undefined;
  /** Compress all layers with this method, if they are compressed otherwise. */
  readonly forceCompression?: Packing | undefined;
  /** Receives a sentence for the user, such as why a layer has no table of contents. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/**
 * How a layer was stored in the target: `present` before; `reflinked` or `copied` from the stored blob; `rebuilt` from its objects, byte
 * for byte the original; `repacked`, the same tar with another compression and digest.
 */
export type LayerMethod = 'present' | 'reflinked' | 'copied' | 'rebuilt' | 'repacked';

/** One exported layer. */
export interface ExportedLayer {
  readonly digest: ContentDigest;
  readonly originalDigest: ContentDigest;
  readonly diffId: DiffId | undefined;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Annotations of a layer that was compressed again. */
  readonly annotations?: ReadonlyMap<string, string> | undefined;
  readonly method: LayerMethod;
}

/** What an export wrote. */
export interface ExportReport {
  readonly transport: LocalReference['transport'];
  readonly path: string;
  readonly tag: string | undefined;
  readonly manifestDigest: ContentDigest;
  readonly originalManifestDigest: ContentDigest;
  /** True if manifest, config and all layers equal the pulled bytes. */
  readonly identical: boolean;
  readonly configDigest: ContentDigest;
  readonly layers: readonly ExportedLayer[];
}

/** What an export of an index wrote. */
export interface IndexExportReport extends Omit<ExportReport, 'configDigest'> {
  /** What the index names. */
  readonly manifests: readonly ContentDigest[];
}

/**
 * Writes a stored image or artifact into an `oci:`, `oci-archive:` or `dir:` target. The config is always byte-identical, and so are the
 * diff ids. The manifest is the original one if every layer blob is the original: a stored blob, or an uncompressed layer. Otherwise it is
 * a new OCI manifest with the same config and annotations, and the report states that. Every layer is verified.
 * @throws as `openOciImage`, `openImageTarget`; IntegrityError BLOB_DIGEST_MISMATCH; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function exportImage(
  repository: Repository,
  name: string,
  reference: LocalReference,
  options: ExportOptions = {},
): Promise<ExportReport> {
  const image = openOciImage(repository, name);
  using target = openImageTarget(reference);
  const layers = await writeContents({ repository, image, target }, options);
  const manifestBytes = manifestOf(image, layers);
  const entry = entryOf(image, manifestBytes, reference.tag);
  options.signal?.throwIfAborted();
  target.commit(entry, manifestBytes);
  return {
    transport: reference.transport,
    path: reference.path,
    tag: reference.tag,
    manifestDigest: entry.digest,
    originalManifestDigest: image.manifestDigest,
    identical: entry.digest === image.manifestDigest,
    configDigest: image.manifest.config.digest,
    layers,
  };
}

/**
 * Writes a stored index with all that it names into an `oci:`, `oci-archive:` or `dir:` target, byte for byte.
 * @throws ConflictError MANIFEST_WOULD_CHANGE when a compressed layer of it is not stored; as `exportImage`, `openStoredIndex`
 */
export async function exportIndex(
  repository: Repository,
  digest: ContentDigest,
  reference: LocalReference,
  options: OperationOptions = {},
): Promise<IndexExportReport> {
  const below = manifestsBelow(repository, digest);
  using target = openImageTarget(reference);
  const layers = new Map<ContentDigest, ExportedLayer>();
  for (const one of below) {
    options.signal?.throwIfAborted();
    if (one.kind === 'index') {
      target.addManifest(one.digest, openStoredIndex(repository, one.digest).index.bytes);
      continue;
    }
    const image = openOciImage(repository, `@${one.digest}`);
    requireBlobs(repository, image);
    for (const layer of await writeContents({ repository, image, target }, options)) {
      if (!layers.has(layer.digest)) layers.set(layer.digest, layer);
    }
    target.addManifest(one.digest, image.manifestBytes);
  }
  const { bytes, mediaType } = openStoredIndex(repository, digest).index;
  options.signal?.throwIfAborted();
  const { transport, path, tag } = reference;
  target.commit({ mediaType, digest, sizeBytes: bytes.length, tag }, bytes);
  return {
    transport,
    path,
    tag,
    manifestDigest: digest,
    originalManifestDigest: digest,
    identical: true,
    manifests: below.map((one) => one.digest),
    layers: [...layers.values()],
  };
}

/** @throws ConflictError MANIFEST_WOULD_CHANGE */
function requireBlobs(repository: Repository, image: OciImage): void {
  const { manifestDigest, layers } = image;
  const lost = layers.find(({ digest, diffId = digest }) => {
    if ((diffId as string) === digest) return false;
    return storedBlob(repository, image, digest) === undefined;
  });
  if (lost === undefined) return;
  throw new ConflictError(
    'MANIFEST_WOULD_CHANGE',
    `Cannot export ${manifestDigest} unchanged: layer ${lost.digest} would be compressed again, which changes the digest of the manifest`,
    { manifest: manifestDigest, layer: lost.digest },
    { hint: 'Pull the image again with --all-platforms to store its compressed layers' },
  );
}

/** Writes layers and config of an image. */
async function writeContents(
  { repository, image, target }: Omit<LayerJob, 'layer' | 'descriptor'>,
  options: ExportOptions,
): Promise<ExportedLayer[]> {
  const layers: ExportedLayer[] = [];
  const seen = new Map<ContentDigest, ExportedLayer>();
  for (const [at, layer] of image.layers.entries()) {
    options.signal?.throwIfAborted();
    const descriptor = image.manifest.layers[at] as Descriptor;
    const known = seen.get(layer.digest);
    const job = { repository, image, layer, descriptor, target };
    const written = known ?? (await exportLayer(job, options));
    seen.set(layer.digest, written);
    layers.push(written);
  }
  writeBlob(target, image.manifest.config, image.configBytes);
  return layers;
}

interface LayerJob {
  readonly repository: Repository;
  readonly image: OciImage;
  readonly layer: StoredLayer;
  readonly descriptor: Descriptor;
  readonly target: ImageTarget;
}

async function exportLayer(job: LayerJob, options: ExportOptions): Promise<ExportedLayer> {
  const { layer, descriptor, target } = job;
  const { onProgress, forceCompression } = options;
  const { diffId } = layer;
  const id = diffId ?? layer.digest;
  const forced =
    forceCompression !== undefined &&
    diffId !== undefined &&
    !isPackedAs(descriptor, forceCompression)
      ? { diffId, packing: forceCompression }
      : undefined;
  const present =
    forced === undefined ? target.findBlob(descriptor.digest, descriptor.sizeBytes) : undefined;
  if (present !== undefined) {
    onProgress?.({ type: 'skipped', id });
    return exported(job, present, 'present');
  }
  onProgress?.({ type: 'started', id, unit: 'bytes' });
  const written = await (forced === undefined
    ? copyOrRebuild(job, options)
    : repack(job, forced, options));
  onProgress?.({ type: 'done', id, transferred: written.sizeBytes });
  return written;
}

async function copyOrRebuild(job: LayerJob, options: ExportOptions): Promise<ExportedLayer> {
  const kept = storedBlob(job.repository, job.image, job.layer.digest);
  return await (kept === undefined ? rebuild(job, options) : copyKept(job, kept));
}

/** The stored blob: one object, shared with the target if the filesystem supports it. */
async function copyKept(job: LayerJob, kept: ObjectId): Promise<ExportedLayer> {
  const { repository, descriptor, target } = job;
  using object = repository.objects.open(wholeObjectOf(repository, kept));
  using blob = target.createBlob(descriptor.digest);
  blob.take({ fd: object.fd, offsetBytes: 0, sizeBytes: object.sizeBytes });
  const written = blob.commit(descriptor);
  return exported(job, written, written.method === 'reflinked' ? 'reflinked' : 'copied');
}

async function rebuild(job: LayerJob, options: ExportOptions): Promise<ExportedLayer> {
  const { repository, layer, descriptor, target } = job;
  const { digest, diffId } = layer;
  if (diffId !== undefined && (diffId as string) !== digest) {
    return await repack(job, { diffId, packing: options.compression ?? 'none' }, options);
  }
  using blob = target.createBlob(digest);
  for (const piece of rebuildLayer(repository, layer.id, digest)) {
    options.signal?.throwIfAborted();
    blob.write(piece);
  }
  return exported(job, blob.commit(descriptor), 'rebuilt');
}

/** Writes a layer with another compression. */
async function repack(
  job: LayerJob,
  { diffId, packing }: { readonly diffId: DiffId; readonly packing: Packing },
  options: ExportOptions,
): Promise<ExportedLayer> {
  const { repository, layer, target } = job;
  const { signal, onWarning } = options;
  const pieces = rebuildLayer(repository, layer.id, diffId);
  const bytes = packing === 'zstd:chunked' ? packedChunked(pieces) : packed(pieces, packing);
  using blob = target.createBlob(packing === 'none' ? digestOf(diffId) : undefined);
  let next = await bytes.next();
  for (; next.done !== true; next = await bytes.next()) {
    signal?.throwIfAborted();
    blob.write(next.value);
  }
  const end = next.value ?? undefined;
  if (end?.kind === 'plain') onWarning?.(whyPlainText(layer, end.message));
  const written = blob.commit();
  const annotations = end?.kind === 'chunked' ? end.annotations : undefined;
  const mediaType = packedType(packing);
  return { ...exported(job, written, 'repacked'), mediaType, annotations };
}

/** A diff id is the content digest of the uncompressed tar. */
function digestOf(id: DiffId): ContentDigest {
  return id as string as ContentDigest;
}

function exported(job: LayerJob, blob: WrittenBlob, method: LayerMethod): ExportedLayer {
  const { digest, sizeBytes } = blob;
  const { layer, descriptor } = job;
  const { mediaType } = descriptor;
  return {
    digest,
    originalDigest: layer.digest,
    diffId: layer.diffId,
    sizeBytes,
    mediaType,
    method,
  };
}

function writeBlob(target: ImageTarget, expected: Descriptor, bytes: Uint8Array): void {
  if (target.findBlob(expected.digest, expected.sizeBytes) !== undefined) return;
  using blob = target.createBlob(expected.digest);
  blob.write(bytes);
  blob.commit(expected);
}

function entryOf(image: OciImage, bytes: Uint8Array, tag: string | undefined): LayoutEntry {
  const { manifest, config } = image;
  const isOriginal = bytes === manifest.bytes;
  return {
    mediaType: isOriginal ? manifest.mediaType : MEDIA_TYPES.ociManifest,
    digest: isOriginal ? image.manifestDigest : computeContentDigest(bytes),
    sizeBytes: bytes.length,
    tag,
    // Readers that require a platform find it in the config of an image; an artifact has no platform.
    ...(config === undefined ? { platform: hostPlatform() } : {}),
  };
}
