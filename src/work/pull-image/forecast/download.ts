import { isOnecopyError } from '#base/errors';
import { type OperationOptions, pool, type RemoteBlob, verified } from '#base/flow';
import type { ImageReference } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { withAccess } from '../access.ts';
import { CostCount } from '../cost.ts';
import { nameOf, type PlannedLayer } from '../plan.ts';
import type { PullOptions } from '../pull.ts';
import type { DownloadReport, LayerCost } from '../report.ts';
import { isRemote, resumeBlob } from '../resume.ts';
import { openSource, type PullSource } from '../source.ts';
import type { ForecastLayers } from './forecast.ts';
import { jobsOf } from './jobs.ts';
import { requireBudget, requireSpace } from './limits.ts';
import { forecastPull, preparePull } from './prepare.ts';
import { type LayerForecast, planWholeBlob } from './route.ts';

/** How to download; with `keepBlobs` also what a pull with that option needs. */
export type DownloadOptions = Pick<
  PullOptions,
  'platform' | 'judge' | 'registry' | 'jobs' | 'maxBytes' | 'keepBlobs' | 'signal' | 'onProgress'
>;

/**
 * Fetches the blobs of an image that the repository lacks, for a pull later, which then fetches no layer. Nothing is named. The blobs are kept as
 * those of an interrupted pull are.
 * @throws as `pullImage`
 */
export async function downloadImage(
  repository: Repository,
  from: string | ImageReference | PullSource,
  options: DownloadOptions = {},
): Promise<DownloadReport> {
  options.signal?.throwIfAborted();
  repository.ensureWritable();
  await using opened = await openSource(from, options);
  const { source } = opened;
  const { signal, onProgress } = options;
  const isLeased = source.isRemote === true;
  return await withAccess(repository, { signal, onProgress, isLeased }, () =>
    download(repository, source, options),
  );
}

async function download(
  repository: Repository,
  source: PullSource,
  options: DownloadOptions,
): Promise<DownloadReport> {
  // What comes in parts later needs the network then: a download takes whole blobs.
  const asked = { ...options, planLayer: planWholeBlob };
  const found = await preparePull(repository, source, asked);
  const prepared = await forecastPull(repository, source, found, asked);
  const { image, layers, trust } = prepared;
  requireBudget(prepared.fetchBytes, options.maxBytes);
  const leastBytes = prepared.forecasts.reduce((sum, { fetchBytes }) => sum + fetchBytes, 0);
  requireSpace(repository, { leastBytes });
  const jobs = jobsOf(options);
  const costs = await downloadLayers(repository, source, prepared, { ...options, jobs });
  return {
    kind: image.config === undefined ? 'artifact' : 'image',
    manifestDigest: image.manifest.digest,
    configDigest: image.manifest.config.digest,
    trust,
    layers: layers.map(({ diffId, descriptor: { digest, sizeBytes } }, index) => {
      return { ...(costs[index] as LayerCost), diffId, digest, sizeBytes };
    }),
    traffic: source.traffic,
  };
}

/** How to fetch blobs. */
interface FetchOptions extends OperationOptions {
  readonly jobs: number;
}

/**
 * Fetches the blobs of the layers that are not here into partial blobs, verified. What an interrupted pull left counts.
 * @returns what each layer has cost
 * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH; HostError NO_SPACE; what the source throws; the reason of the signal
 */
async function downloadLayers(
  repository: Repository,
  source: PullSource,
  { layers, forecasts }: ForecastLayers,
  options: FetchOptions,
): Promise<LayerCost[]> {
  return await pool(layers, options.jobs, async (layer, index) => {
    const forecast = forecasts[index] as LayerForecast;
    const cost = new CostCount(forecast);
    if (forecast.route === 'present' || forecast.route === 'linked') return cost.value;
    const { digest, sizeBytes } = layer.descriptor;
    const content = await source.openBlob(digest, sizeBytes);
    if (!isRemote(content)) {
      cost.reused.file += sizeBytes;
      return cost.value;
    }
    cost.reused.partial += await downloadBlob(repository, layer, content, options);
    cost.addTraffic(content.traffic);
    return cost.value;
  });
}

/** @returns the bytes that were here before */
async function downloadBlob(
  repository: Repository,
  layer: PlannedLayer,
  blob: RemoteBlob,
  { signal, onProgress }: FetchOptions,
): Promise<number> {
  const { digest, sizeBytes } = blob;
  const id = nameOf(layer);
  onProgress?.({ type: 'started', id, unit: 'bytes', total: sizeBytes });
  for (;;) {
    using partial = await repository.partials.open(digest, { signal });
    try {
      let done = 0;
      const pieces = resumeBlob(blob, partial, { signal });
      for await (const piece of verified(pieces, { digest, sizeBytes })) {
        signal?.throwIfAborted();
        done += piece.length;
        onProgress?.({ type: 'advanced', id, done, total: sizeBytes });
      }
      partial.sync();
      onProgress?.({ type: 'done', id, transferred: sizeBytes - partial.heldBytes });
      return partial.heldBytes;
    } catch (error) {
      const isOther = isOnecopyError(error) && error.kind === 'integrity';
      const wasHeld = partial.heldBytes > 0;
      if (isOther) partial.remove();
      // What an earlier pull left was of another blob. It is gone, so everything is fetched now.
      if (!isOther || !wasHeld) throw error;
    }
  }
}
