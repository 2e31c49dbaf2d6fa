import type { ContentDigest, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { ResolvedImage } from '#formats/oci';
import type { Reading } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import {
  configStreamName,
  type DocumentStore,
  hashOnly,
  type ImageIds,
  manifestStreamName,
  type OciImage,
  openOciImage,
  storeConfig,
  storeManifest,
} from '#work/image';
import { nameOf, type PlannedLayer } from './plan.ts';

/** All parts of an image, which are on the disk. */
export interface PublishInput {
  readonly image: ResolvedImage;
  readonly layers: readonly PlannedLayer[];
  /** Streams of the layers. */
  readonly ids: readonly ObjectId[];
  /** EROFS images that were built now. */
  readonly images: ImageIds | undefined;
  /** Reading of the EROFS images that were built now. */
  readonly reading: Reading | undefined;
  readonly blobs: ReadonlyMap<ContentDigest, ObjectId>;
}

/** The streams that were named, or already had names. */
export interface Published {
  readonly configId: ObjectId;
  readonly manifestId: ObjectId;
  /** The manifest's stream before EROFS images were linked. */
  readonly firstManifestId: ObjectId;
  /** The config's stream before EROFS images were linked. */
  readonly firstConfigId: ObjectId;
  readonly slots: ImageIds;
  readonly reading: Reading;
}

/** How composefs-rs publishes an image. */
export interface UpstreamSteps {
  /** Makes further images, such as the bootable one, of the image under its streams so far. */
  readonly moreImages?: ((name: string) => Promise<ImageIds>) | undefined;
  /** Called before the layers are stored, with their number, and before the config and the manifest are. */
  readonly onStep?: ((step: 'layers' | 'documents', count: number) => void) | undefined;
}

/** Writes and names the streams of config and manifest with all references. Writes nothing if they are up to date. */
export async function publishImage(
  repository: Repository,
  input: PublishInput,
  {
    likeUpstream,
    signal,
  }: { readonly likeUpstream: UpstreamSteps | undefined; readonly signal: AbortSignal | undefined },
): Promise<Published> {
  const { image, ids, images } = input;
  const { digest } = image.manifest;
  const existing = findImage(repository, digest);
  // EROFS images of other layers do not belong to this image.
  const isSameLayers = existing?.layers.every((layer, index) => layer.id === ids[index]) === true;
  const plain = new Map([...(isSameLayers ? existing.images : []), ...(images ?? [])]);
  const blobs = new Map([...(existing?.blobs ?? []), ...input.blobs]);
  const reading = input.reading ?? existing?.reading ?? 'cfsctl';
  const streams = new ImageStreams({ ...input, blobs, reading });
  // Upstream stores both without images first, and reports the id that they have then.
  const isFirst = existing === undefined && plain.size > 0;
  const store = likeUpstream === undefined ? hashOnly(repository) : repository;
  const first = isFirst ? await streams.store(store, new Map()) : undefined;
  if (first !== undefined && likeUpstream !== undefined) nameStreams(repository, image, first);
  const more = await likeUpstream?.moreImages?.(`@${digest}`);
  const slots = new Map([...plain, ...(more ?? [])]);
  if (existing !== undefined && isSameLayers && isCurrent(existing, { slots, blobs, reading })) {
    const { configStreamId: configId, manifestStreamId: manifestId } = existing;
    nameStreams(repository, image, { configId, manifestId });
    const before = { firstManifestId: manifestId, firstConfigId: configId };
    return { configId, manifestId, ...before, slots, reading };
  }
  const last = await streams.store(repository, slots);
  signal?.throwIfAborted();
  nameStreams(repository, image, last);
  const known = isSameLayers
    ? { manifestId: existing.manifestStreamId, configId: existing.configStreamId }
    : last;
  const before = first ?? known;
  const firstIds = { firstManifestId: before.manifestId, firstConfigId: before.configId };
  return { ...last, ...firstIds, slots, reading };
}

/** Creates missing names, the config first. */
function nameStreams(
  { streams }: Repository,
  { manifest }: ResolvedImage,
  { configId, manifestId }: { readonly configId: ObjectId; readonly manifestId: ObjectId },
): void {
  const names = [
    [configStreamName(manifest.config.digest), configId],
    [manifestStreamName(manifest.digest), manifestId],
  ] as const;
  for (const [name, id] of names) if (!streams.leadsTo(name, id)) streams.register(name, id);
}

/** The image of an earlier pull; an unreadable one is written again. */
function findImage(repository: Repository, digest: ContentDigest): OciImage | undefined {
  try {
    return openOciImage(repository, `@${digest}`);
  } catch (error) {
    if (isOnecopyError(error) && error.kind !== 'host') return undefined;
    throw error;
  }
}

function isCurrent(
  existing: OciImage,
  { slots, blobs, reading }: Pick<PublishInput, 'blobs'> & Pick<Published, 'slots' | 'reading'>,
): boolean {
  return (
    existing.reading === reading && isSame(existing.images, slots) && isSame(existing.blobs, blobs)
  );
}

function isSame<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

/** Stores the streams of config and manifest, with one set of EROFS images or another. */
class ImageStreams {
  readonly #input: PublishInput;
  readonly #layers: readonly (readonly [name: string, id: ObjectId])[];

  constructor(input: PublishInput) {
    this.#input = input;
    this.#layers = input.layers.map((layer, index) => {
      return [nameOf(layer), input.ids[index] as ObjectId] as const;
    });
  }

  async store(
    store: DocumentStore,
    images: ImageIds,
  ): Promise<{ configId: ObjectId; manifestId: ObjectId }> {
    const { image, blobs, reading } = this.#input;
    const { manifest, configBytes } = image;
    const layers = this.#layers;
    const configId = await storeConfig(store, configBytes, { layers, images });
    const config = [manifest.config.digest, configId] as const;
    const refs = { config, layers, blobs, reading: images.size > 0 ? reading : undefined };
    return { configId, manifestId: await storeManifest(store, manifest.bytes, refs) };
  }
}
