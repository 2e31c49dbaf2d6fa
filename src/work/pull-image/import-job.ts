import type { ContentDigest, ObjectId } from '#base/digest';
import type { BlobContent, OperationOptions, RemoteBlob } from '#base/flow';
import type { Reading } from '#formats/tree';
import type { PartialBlob, Repository } from '#stores/composefs';
import type { LayerCounts, ReflinkPolicy, SplitLayer } from '#work/ingest';
import type { PullAccess } from './access.ts';
import type { CostCount } from './cost.ts';
import { forecastKnown, type LayerForecast, type LayerPlanner } from './forecast/route.ts';
import type { PartialRoute } from './partial/partial-route.ts';
import { blobsToKeep, isMissing, nameOf, type PlannedLayer, type StoredLayer } from './plan.ts';

/** What an importer works for. */
export interface ImporterOptions extends OperationOptions {
  readonly repository: Repository;
  readonly access: PullAccess;
  readonly openBlob: (
    digest: ContentDigest,
    sizeBytes: number,
  ) => BlobContent | RemoteBlob | Promise<BlobContent | RemoteBlob>;
  /** Says how a layer comes that comes whole. */
  readonly planLayer: LayerPlanner;
  /** Brings layers in parts. */
  readonly parts: PartialRoute;
  /** Opens a layer as a tar-split and files; undefined where layers are blobs. */
  readonly openLayer: ((position: number) => SplitLayer) | undefined;
  /** Opens a layer as its tar; undefined where layers are blobs. */
  readonly openTar: ((position: number) => AsyncIterable<Uint8Array>) | undefined;
  /** How files of such layers become objects. */
  readonly reflink: ReflinkPolicy;
  /** What is stored of a layer now: another pull may have stored it since this one was planned. */
  readonly lookAgain: (layer: PlannedLayer) => Promise<StoredLayer>;
  readonly keepBlobs: boolean;
  /** Threads that split and write, and layers at once. */
  readonly jobs: number;
  readonly layerBytesMax: number | undefined;
  readonly reading: Reading | undefined;
}

/** One blob to read. */
export interface ImportJob {
  readonly layer: PlannedLayer;
  /** False when only the blob is wanted, because the layer is there. */
  readonly isMissing: boolean;
  readonly keepBlob: boolean;
}

/** A blob of a registry, and what there is of it. */
export interface RemoteOrder {
  readonly blob: RemoteBlob;
  readonly cost: CostCount;
  readonly partial: PartialBlob;
}

/** What was read and stored. */
export interface ImportTotals extends LayerCounts {
  fetchedBytes: number;
  localBytes: number;
}

/** What is left of a job when a part of it is stored; undefined when nothing is. */
export function restOf(job: ImportJob, { presentId, blobId }: StoredLayer): ImportJob | undefined {
  const isMissing = job.isMissing && presentId === undefined;
  const keepBlob = job.keepBlob && blobId === undefined;
  return isMissing || keepBlob ? { layer: job.layer, isMissing, keepBlob } : undefined;
}

/** The layers to read: missing layers, and layers whose blob must be stored. */
export function planJobs(
  layers: readonly PlannedLayer[],
  { keepBlobs, onProgress }: Pick<ImporterOptions, 'keepBlobs' | 'onProgress'>,
  told: {
    readonly onBlob: (digest: ContentDigest, id: ObjectId) => void;
    readonly onKnown: (layer: PlannedLayer, forecast: LayerForecast) => void;
  },
): ImportJob[] {
  const wanted = keepBlobs ? blobsToKeep(layers) : undefined;
  const jobs: ImportJob[] = [];
  for (const layer of layers) {
    const { digest } = layer.descriptor;
    if (layer.blobId !== undefined) told.onBlob(digest, layer.blobId);
    const keepBlob = wanted?.has(layer.position) ?? false;
    const missing = isMissing(layer);
    const known = forecastKnown(layer);
    if (known !== undefined) told.onKnown(layer, known);
    if (missing || keepBlob) jobs.push({ layer, isMissing: missing, keepBlob });
    else if (layer.sameAs === undefined) onProgress?.({ type: 'skipped', id: nameOf(layer) });
  }
  return jobs.sort((a, b) => b.layer.descriptor.sizeBytes - a.layer.descriptor.sizeBytes);
}
