import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { Descriptor, ResolvedImage } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Reading } from '#formats/tree';
import { isIntact, isStreamWhole, type Repository, type Suspects } from '#stores/composefs';
import {
  blobStreamName,
  computeStreamDigest,
  layerStreamName,
  manifestStreamName,
  openOciImage,
  presentImages,
} from '#work/image';
import type { LayerForecast } from './forecast/route.ts';
import type { LayerCost, LayerReport, PullPlan } from './report.ts';

/** What the repository has of a layer. */
export interface StoredLayer {
  /** The stored stream with all its objects. */
  readonly presentId: ObjectId | undefined;
  /** The stream of its compressed blob, if it was requested and is stored. */
  readonly blobId: ObjectId | undefined;
}

/** One layer of the image to pull, and its state. */
export interface PlannedLayer extends StoredLayer {
  readonly position: number;
  readonly descriptor: Descriptor;
  readonly diffId: DiffId | undefined;
  readonly streamName: string;
  /** Position of an earlier layer with the same name, if any. */
  readonly sameAs: number | undefined;
}

/** Name of a layer in refs and progress: its diff id, or its digest. */
export function nameOf({ diffId, descriptor }: PlannedLayer): DiffId | ContentDigest {
  return diffId ?? descriptor.digest;
}

/** Names of streams of a layer that are stored already. */
export function streamsOf({ streamName, presentId, blobId, descriptor }: PlannedLayer): string[] {
  return [
    ...(presentId === undefined ? [] : [streamName]),
    ...(blobId === undefined ? [] : [blobStreamName(descriptor.digest)]),
  ];
}

/** Names layers again whose names another program has removed. */
export function nameLayers(
  repository: Repository,
  layers: readonly PlannedLayer[],
  ids: readonly ObjectId[],
): void {
  const { streams } = repository;
  for (const [index, { streamName }] of layers.entries()) {
    const id = ids[index] as ObjectId;
    if (!streams.leadsTo(streamName, id)) streams.register(streamName, id);
  }
}

/** True for a layer that is to be imported. */
export function isMissing({ sameAs, presentId }: PlannedLayer): boolean {
  return sameAs === undefined && presentId === undefined;
}

/** Positions of the layers whose compressed blobs are to be stored and are not: each blob once. */
export function blobsToKeep(layers: readonly PlannedLayer[]): ReadonlySet<number> {
  const seen = new Set<ContentDigest>();
  const positions = new Set<number>();
  for (const { position, descriptor, diffId, blobId } of layers) {
    const { digest } = descriptor;
    if (diffId !== undefined && blobId === undefined && !seen.has(digest)) positions.add(position);
    seen.add(digest);
  }
  return positions;
}

/** The layers of an image in the order of its manifest, none of them stored. */
export function arrangeLayers(image: ResolvedImage): PlannedLayer[] {
  const first = new Map<string, number>();
  return image.manifest.layers.map((descriptor, position) => {
    const diffId = image.config?.diffIds[position];
    const streamName = layerStreamName(diffId ?? descriptor.digest);
    const sameAs = first.get(streamName);
    if (sameAs === undefined) first.set(streamName, position);
    const nothing = { presentId: undefined, blobId: undefined };
    return { position, descriptor, diffId, streamName, sameAs, ...nothing };
  });
}

/** Options for finding stored layers. */
export interface PlanOptions extends Pick<OperationOptions, 'signal'> {
  /** Also look for blobs that were kept as fetched. */
  readonly keepBlobs?: boolean | undefined;
  /** Rebuild layers and compare them with their diff ids. */
  readonly verifyReused?: boolean | undefined;
}

/** Finds the stored layers. A layer counts only if its stream can be read and all its objects exist. */
export async function planLayers(
  repository: Repository,
  image: ResolvedImage,
  options: PlanOptions = {},
): Promise<PlannedLayer[]> {
  const reuse = new Reuse(repository, options);
  const layers: PlannedLayer[] = [];
  for (const layer of arrangeLayers(image)) {
    layers.push({ ...layer, ...(await reuse.find(layer)) });
  }
  return layers;
}

/** What the repository has of a layer now. */
export async function findLayer(
  repository: Repository,
  layer: PlannedLayer,
  options: PlanOptions = {},
): Promise<StoredLayer> {
  return await new Reuse(repository, options).find(layer);
}

/** Finds streams that need not be read from the source. */
class Reuse {
  readonly #repository: Repository;
  readonly #options: PlanOptions;
  readonly #suspects: Suspects;

  constructor(repository: Repository, options: PlanOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#suspects = repository.suspects.read();
  }

  /** The streams of a layer. */
  async find({ diffId, descriptor, streamName, sameAs }: PlannedLayer): Promise<StoredLayer> {
    const { digest } = descriptor;
    const contentType = diffId === undefined ? CONTENT_TYPES.ociBlob : CONTENT_TYPES.ociLayer;
    const keeps = this.#options.keepBlobs === true && diffId !== undefined;
    return {
      presentId:
        sameAs === undefined
          ? await this.#findStream(streamName, contentType, diffId ?? digest)
          : undefined,
      blobId: keeps
        ? await this.#findStream(blobStreamName(digest), CONTENT_TYPES.ociBlob, digest)
        : undefined,
    };
  }

  /** The id of a stream with all its objects; undefined for a damaged stream. */
  async #findStream(
    name: string,
    contentType: bigint,
    like: DiffId | ContentDigest,
  ): Promise<ObjectId | undefined> {
    const { streams } = this.#repository;
    const { signal, verifyReused } = this.#options;
    try {
      if (!streams.has(name)) return undefined;
      const isSuspect = this.#suspects !== 'all' && this.#suspects.streams.has(name);
      using opened = streams.open(name, { contentType });
      if (!streams.leadsTo(name, opened.id)) return undefined;
      if (!(await isStreamWhole(this.#repository, opened.stream, { signal }))) return undefined;
      if (verifyReused !== true && !isSuspect && this.#suspects !== 'all') return opened.id;
      const digest = await computeStreamDigest(this.#repository, opened.stream, like, { signal });
      return (digest as string) === like ? opened.id : undefined;
    } catch (error) {
      if (isOnecopyError(error) && error.kind !== 'host') return undefined;
      throw error;
    }
  }
}

/**
 * True if the image is stored with its EROFS images (in the given reading), the images match their ids, and no check marked their names as
 * suspect.
 */
export function isBuilt(
  repository: Repository,
  digest: ContentDigest,
  reading?: Reading | undefined,
): boolean {
  try {
    const image = openOciImage(repository, `@${digest}`);
    if (image.config === undefined) return true;
    if (reading === 'cfsctl' && image.reading !== 'cfsctl') return false;
    const suspects = repository.suspects.read();
    const images = presentImages(repository, image);
    if (images === undefined || suspects === 'all') return false;
    if (suspects.streams.has(manifestStreamName(digest))) return false;
    return [...images.values()].every((id) => isIntact(repository, id));
  } catch (error) {
    if (isOnecopyError(error) && error.kind !== 'host') return false;
    throw error;
  }
}

/** What a plan is made of. */
export interface PlanParts {
  readonly repository: Repository | undefined;
  readonly image: ResolvedImage;
  readonly layers: readonly PlannedLayer[];
  /** The route of each layer. */
  readonly forecasts: readonly LayerForecast[];
  readonly reading: Reading | undefined;
}

/** The plan as a plain value, without what is of the whole pull. */
export function describePlan({
  repository,
  image,
  layers,
  forecasts,
  reading,
}: PlanParts): Omit<PullPlan, 'trust' | 'fetchBytes' | 'requests' | 'disk' | 'isOverBudget'> {
  const rows = layers.map(({ descriptor, diffId, sameAs, presentId }, index) => ({
    ...(forecasts[index] as LayerForecast),
    diffId,
    digest: descriptor.digest,
    sizeBytes: descriptor.sizeBytes,
    status:
      sameAs !== undefined
        ? ('repeated' as const)
        : presentId !== undefined
          ? ('present' as const)
          : ('wanted' as const),
  }));
  const bytesOf = (status: string) =>
    rows.filter((row) => row.status === status).reduce((sum, row) => sum + row.sizeBytes, 0);
  return {
    kind: image.config === undefined ? 'artifact' : 'image',
    manifestDigest: image.manifest.digest,
    configDigest: image.manifest.config.digest,
    layers: rows,
    wantedBytes: bytesOf('wanted'),
    presentBytes: bytesOf('present'),
    wouldBuild:
      image.config !== undefined &&
      (repository === undefined || !isBuilt(repository, image.manifest.digest, reading)),
  };
}

/** What a pull reports of a layer. */
export function reportLayer(layer: PlannedLayer, streamId: ObjectId, cost: LayerCost): LayerReport {
  const { diffId, descriptor, sameAs, presentId } = layer;
  const isPresent = presentId !== undefined;
  return {
    diffId,
    digest: descriptor.digest,
    status: sameAs !== undefined ? 'repeated' : isPresent ? 'present' : 'imported',
    sizeBytes: descriptor.sizeBytes,
    streamId,
    ...cost,
  };
}
