import { type ContentDigest, computeContentDigest, type DiffId } from '#base/digest';
import { ConflictError } from '#base/errors';
import { type OperationOptions, pool } from '#base/flow';
import { type Compression, type Descriptor, MEDIA_TYPES } from '#formats/oci';
import type { BlobToPush, PushedBlob, RegistryRepository, UploadState } from '#remotes/registry';
import type { Repository } from '#stores/composefs';
import {
  manifestsBelow,
  type OciImage,
  openOciImage,
  openStoredIndex,
  type StoredLayer,
} from '#work/image';
import {
  bytesBlob,
  isPackedAs,
  keptBlob,
  type Packing,
  packedType,
  plainBlob,
  repackedBlob,
  storedBlob,
  whyPlainText,
} from './layer-blobs.ts';
import { manifestOf } from './manifest.ts';

/** How to push an image. */
export interface PushOptions extends OperationOptions {
  /** Without a tag, the manifest is pushed by its digest. */
  readonly tag?: string | undefined;
  /** Compression of layers whose blob is neither stored nor in the registry (default: `gzip`). */
  readonly compression?: Compression | undefined;
  /** Compress all layers with this method, if they are compressed otherwise. */
  readonly forceCompression?: Packing | undefined;
  /** Receives a sentence for the user, such as why a layer has no table of contents. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Refuse a push that changes the digest of the manifest. */
  readonly sameDigest?: boolean | undefined;
  /** Repositories of the same registry that may have the blobs. */
  readonly mountFrom?: readonly string[] | undefined;
}

/** How a layer was stored in the registry: sent, or found there. The blob equals the pulled one unless it was `repacked`. */
export type PushMethod = 'present' | 'mounted' | 'uploaded' | 'repacked';

/** One pushed layer. */
export interface PushedLayer {
  readonly digest: ContentDigest;
  readonly originalDigest: ContentDigest;
  readonly diffId: DiffId | undefined;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Annotations of a layer that was compressed again. */
  readonly annotations?: ReadonlyMap<string, string> | undefined;
  readonly method: PushMethod;
}

/** What a push did. */
export interface PushReport {
  readonly tag: string | undefined;
  readonly manifestDigest: ContentDigest;
  readonly originalManifestDigest: ContentDigest;
  /** True if manifest, config and all layers equal the pulled bytes. */
  readonly identical: boolean;
  /** Undefined for an index. */
  readonly configDigest: ContentDigest | undefined;
  /** Of an index: what it names, in the order of sending. */
  readonly manifests: readonly ContentDigest[];
  readonly layers: readonly PushedLayer[];
  /** Bytes of the blobs that were sent. */
  readonly sentBytes: number;
}

/**
 * Pushes a stored image or artifact: layers, config, and the manifest last. A blob that the registry has is not sent; a blob of another
 * repository of the registry is mounted. Otherwise the stored blob is sent, or an uncompressed layer is rebuilt. Other layers are
 * compressed again, which changes the manifest.
 * @param target a repository to which the configuration allows pushes
 * @throws ConflictError MANIFEST_WOULD_CHANGE with `sameDigest`, before the first request; as `openOciImage` and
 * `RegistryRepository.pushBlob`
 */
export async function pushImage(
  repository: Repository,
  name: string,
  target: RegistryRepository,
  options: PushOptions = {},
): Promise<PushReport> {
  const image = openOciImage(repository, name);
  const push = new ImagePush(repository, image, { target, options });
  const layers = await push.layers();
  const { tag, signal } = options;
  const { config } = image.manifest;
  const sentConfig = await push.send(bytesBlob(config.digest, image.configBytes));
  const bytes = manifestOf(image, layers);
  const isOriginal = bytes === image.manifest.bytes;
  const mediaType = isOriginal ? image.manifest.mediaType : MEDIA_TYPES.ociManifest;
  const named = tag === undefined ? {} : { tag };
  await target.pushManifest({ bytes, mediaType, ...named }, { signal });
  const sent = layers.filter(({ method }) => method === 'uploaded' || method === 'repacked');
  const first = new Map(sent.map((layer) => [layer.digest, layer.sizeBytes]));
  const configBytes = sentConfig === 'uploaded' ? config.sizeBytes : 0;
  return {
    tag,
    manifestDigest: isOriginal ? image.manifestDigest : computeContentDigest(bytes),
    originalManifestDigest: image.manifestDigest,
    identical: isOriginal,
    configDigest: config.digest,
    manifests: [],
    layers,
    sentBytes: [...first.values()].reduce((sum, size) => sum + size, configBytes),
  };
}

/**
 * Pushes a stored index: all that it names, each under its digest, and the index last. Nothing changes: a layer that would be compressed
 * again refuses the push.
 * @throws as `pushImage` with `sameDigest`; as `openStoredIndex`
 */
export async function pushIndex(
  repository: Repository,
  digest: ContentDigest,
  target: RegistryRepository,
  { tag, ...options }: Omit<PushOptions, 'compression' | 'forceCompression' | 'sameDigest'> = {},
): Promise<PushReport> {
  const { signal } = options;
  const below = manifestsBelow(repository, digest);
  const layers = new Map<ContentDigest, PushedLayer>();
  let sentBytes = 0;
  for (const one of below) {
    signal?.throwIfAborted();
    if (one.kind === 'index') {
      const { bytes, mediaType } = openStoredIndex(repository, one.digest).index;
      await target.pushManifest({ bytes, mediaType }, { signal });
      continue;
    }
    const how = { ...options, sameDigest: true };
    const done = await pushImage(repository, `@${one.digest}`, target, how);
    for (const layer of done.layers) {
      if (!layers.has(layer.digest)) layers.set(layer.digest, layer);
    }
    sentBytes += done.sentBytes;
  }
  const { bytes, mediaType } = openStoredIndex(repository, digest).index;
  const named = tag === undefined ? {} : { tag };
  await target.pushManifest({ bytes, mediaType, ...named }, { signal });
  return {
    tag,
    manifestDigest: digest,
    originalManifestDigest: digest,
    identical: true,
    configDigest: undefined,
    manifests: below.map((one) => one.digest),
    layers: [...layers.values()],
    sentBytes,
  };
}

/** Number of blobs that are sent to one registry concurrently. */
const BLOBS_AT_ONCE = 6;

/** Name of the note about the upload of a blob into a repository of a registry. */
function uploadName({ endpoint }: RegistryRepository, digest: ContentDigest): string {
  const { host, repository } = endpoint;
  const key = computeContentDigest(Buffer.from(JSON.stringify([host, repository, digest])));
  return key.replace(':', '-');
}

/** The upload of a note; undefined for other content. */
function parseState(text: string): UploadState | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { location, sentBytes } = JSON.parse(text) as Partial<UploadState>;
    const isSound = typeof location === 'string' && URL.canParse(location);
    if (!isSound || !Number.isSafeInteger(sentBytes) || Number(sentBytes) < 0) return undefined;
    return { location, sentBytes: Number(sentBytes) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface PushJob {
  readonly target: RegistryRepository;
  readonly options: PushOptions;
}

/** A layer, and the state of its blob before the push. */
interface OfferedLayer {
  readonly layer: StoredLayer;
  readonly descriptor: Descriptor;
  /** Undefined for a layer that must be compressed again. */
  readonly blob: BlobToPush | 'present' | 'mounted' | undefined;
}

class ImagePush {
  readonly #repository: Repository;
  readonly #image: OciImage;
  readonly #job: PushJob;

  constructor(repository: Repository, image: OciImage, job: PushJob) {
    this.#repository = repository;
    this.#image = image;
    this.#job = job;
  }

  /** Sends all layers, each blob once. */
  async layers(): Promise<PushedLayer[]> {
    const distinct = new Map<ContentDigest, readonly [StoredLayer, Descriptor]>();
    for (const [at, layer] of this.#image.layers.entries()) {
      const descriptor = this.#image.manifest.layers[at] as Descriptor;
      if (!distinct.has(layer.digest)) distinct.set(layer.digest, [layer, descriptor]);
    }
    const offered = await pool(distinct.values(), BLOBS_AT_ONCE, (one) => this.#offer(...one));
    const lost = offered.find(({ blob }) => blob === undefined);
    if (lost !== undefined && this.#job.options.sameDigest === true) throw this.#changes(lost);
    const pushed = await pool(offered, BLOBS_AT_ONCE, (one) => this.#bring(one));
    const done = new Map(pushed.map((one) => [one.originalDigest, one]));
    return this.#image.layers.map(({ digest }) => done.get(digest) as PushedLayer);
  }

  /** Sends a blob unless the registry has it. */
  async send(blob: BlobToPush): Promise<PushedBlob> {
    const { target, options } = this.#job;
    const { mountFrom = [], signal, onProgress } = options;
    const id = blob.digest;
    const total = blob.sizeBytes;
    signal?.throwIfAborted();
    onProgress?.({ type: 'started', id, unit: 'bytes', total });
    using note = this.#repository.uploads.hold(uploadName(target, id));
    const state = note === undefined ? undefined : parseState(note.text);
    const how = await target.pushBlob(blob, {
      mountFrom,
      signal,
      ...(state === undefined ? {} : { state }),
      onState: (reached) => note?.write(JSON.stringify(reached)),
      onProgress: (done) => onProgress?.({ type: 'advanced', id, done, total }),
    });
    note?.remove();
    onProgress?.(
      how === 'uploaded'
        ? { type: 'done', id, transferred: blob.sizeBytes }
        : { type: 'skipped', id },
    );
    return how;
  }

  async #offer(layer: StoredLayer, descriptor: Descriptor): Promise<OfferedLayer> {
    const { target, options } = this.#job;
    const { forceCompression, mountFrom = [], signal } = options;
    const { digest } = layer;
    const found = { layer, descriptor };
    if (forceCompression !== undefined && layer.diffId !== undefined) {
      if (!isPackedAs(descriptor, forceCompression)) return { ...found, blob: undefined };
    }
    const kept = storedBlob(this.#repository, this.#image, digest);
    if (kept !== undefined) return { ...found, blob: keptBlob(this.#repository, digest, kept) };
    const { sizeBytes } = descriptor;
    if ((layer.diffId ?? digest) === (digest as string)) {
      return { ...found, blob: plainBlob(this.#repository, layer, sizeBytes) };
    }
    return { ...found, blob: await target.offerBlob({ digest, sizeBytes }, { mountFrom, signal }) };
  }

  async #bring({ layer, descriptor, blob }: OfferedLayer): Promise<PushedLayer> {
    const { digest: originalDigest, diffId } = layer;
    const { mediaType, sizeBytes } = descriptor;
    const facts = { digest: originalDigest, originalDigest, diffId, sizeBytes, mediaType };
    if (blob === 'present' || blob === 'mounted') return { ...facts, method: blob };
    if (blob !== undefined) return { ...facts, method: await this.send(blob) };
    const { forceCompression, compression = 'gzip', onWarning } = this.#job.options;
    const packing = forceCompression ?? compression;
    using anew = await repackedBlob(this.#repository, layer, packing);
    if (anew.whyPlain !== undefined) onWarning?.(whyPlainText(layer, anew.whyPlain));
    const how = await this.send(anew);
    return {
      ...facts,
      annotations: anew.annotations,
      digest: anew.digest,
      sizeBytes: anew.sizeBytes,
      mediaType: packedType(packing),
      method: how === 'uploaded' ? 'repacked' : how,
    };
  }

  #changes({ layer }: OfferedLayer): ConflictError {
    const { manifestDigest } = this.#image;
    return new ConflictError(
      'MANIFEST_WOULD_CHANGE',
      `Cannot push ${manifestDigest} unchanged: layer ${layer.digest} would be compressed again, which changes the digest of the manifest`,
      { manifest: manifestDigest, layer: layer.digest },
      { hint: 'Pull the image with --keep-blobs to store its compressed layers' },
    );
  }
}
