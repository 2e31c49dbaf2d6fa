import type { Platform, ResolvedImage } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { openOciImage } from '#work/image';
import type { ImageJudge, TrustReport } from '#work/trust';
import { RepositoryHostMemory } from '../partial/host-memory.ts';
import { arrangeLayers, type PlannedLayer, type PlanOptions, planLayers } from '../plan.ts';
import type { PullOptions } from '../pull.ts';
import { type PullSource, requireTarLayers } from '../source.ts';
import { type ForecastOptions, forecastDisk, forecastLayers } from './forecast.ts';
import { jobsOf } from './jobs.ts';
import { requireBudget, requireSpace } from './limits.ts';
import type { LayerForecast } from './route.ts';

/** What preparing a pull goes by. */
export interface PrepareOptions extends PlanOptions, ForecastOptions {
  readonly platform?: Platform | undefined;
  readonly judge?: ImageJudge | undefined;
  /** Name of the only image that is taken to be here. */
  readonly base?: string | undefined;
  /** Nothing is written, not even what a host does with ranges. */
  readonly isPlan?: boolean | undefined;
}

/** An image that is wanted, accepted, and how its layers would come. */
export interface PreparedPull {
  readonly image: ResolvedImage;
  readonly trust: TrustReport | undefined;
  readonly layers: readonly PlannedLayer[];
  /** What finding out has cost; every pull asks for it again. */
  readonly spent: { readonly requests: number; readonly bodyBytes: number };
}

/** A prepared pull whose layers have routes. */
export interface ForecastPull extends PreparedPull {
  readonly forecasts: readonly LayerForecast[];
  /** Bytes that come over a network, with what was spent. */
  readonly fetchBytes: number;
  readonly requests: number;
}

/**
 * Chooses the image, asks whether it is wanted, and plans its layers; none is read. Without a repository everything is wanted.
 * @throws as the source and the judge; UnsupportedError MEDIA_TYPE_UNSUPPORTED; with `base` as `openOciImage`
 */
export async function preparePull(
  repository: Repository | undefined,
  source: PullSource,
  options: PrepareOptions,
): Promise<PreparedPull> {
  const { platform, signal } = options;
  if (repository !== undefined) {
    source.remember?.(new RepositoryHostMemory(repository, options.isPlan !== true));
  }
  const image = await source.resolve({ platform, signal });
  requireTarLayers(image);
  const judge = options.judge ?? source.judge;
  const trust = await judge?.call(source, image.manifest.digest, { signal });
  const { requests = 0, bodyBytes = 0 } = source.traffic ?? {};
  const layers = await findLayers(repository, image, options);
  return { image, trust, layers, spent: { requests, bodyBytes } };
}

/** Decides how the layers come. @throws as `forecastLayers` */
export async function forecastPull(
  repository: Repository | undefined,
  source: PullSource,
  prepared: PreparedPull,
  options: PrepareOptions,
): Promise<ForecastPull> {
  const { layers, spent } = prepared;
  const ignoresPartials = options.base !== undefined;
  const terms = { ...options, ignoresPartials };
  const forecasts = await forecastLayers(repository, source, layers, terms);
  const fetchBytes = forecasts.reduce((sum, one) => sum + one.fetchBytes, spent.bodyBytes);
  const requests = forecasts.reduce((sum, one) => sum + one.requests, spent.requests);
  return { ...prepared, forecasts, fetchBytes, requests };
}

async function findLayers(
  repository: Repository | undefined,
  image: ResolvedImage,
  options: PrepareOptions,
): Promise<PlannedLayer[]> {
  if (repository === undefined) return arrangeLayers(image);
  const { base } = options;
  if (base === undefined) return await planLayers(repository, image, options);
  const present = new Map(
    openOciImage(repository, base).layers.map(({ diffId, digest, id }) => [diffId ?? digest, id]),
  );
  return arrangeLayers(image).map((layer) => {
    const presentId = present.get(layer.diffId ?? layer.descriptor.digest);
    return layer.sameAs === undefined ? { ...layer, presentId } : layer;
  });
}

/** Options of the limits of a pull. */
export type LimitOptions = Omit<PrepareOptions, 'base'> &
  Pick<PullOptions, 'maxBytes' | 'jobs' | 'keepBlobs'>;

/** Free space with which no tar is likely to fill the disk: so many times the blobs, and some for the rest. */
const AMPLE = { blobs: 20, restBytes: 64 << 20 };

/** Refuses a pull that may not fetch that much, or has no space. @throws as `requireBudget`, `requireSpace` */
export async function requireLimits(
  repository: Repository,
  source: PullSource,
  prepared: PreparedPull,
  options: LimitOptions,
): Promise<void> {
  const { maxBytes, keepBlobs = false, signal } = options;
  const { availableBytes, blockBytes } = repository.readSpace();
  const blobBytes = prepared.layers.reduce((sum, { descriptor }) => sum + descriptor.sizeBytes, 0);
  const isAmple = availableBytes >= AMPLE.blobs * blobBytes + AMPLE.restBytes;
  // Routes and sizes of tars cost requests, so they are asked for only where they may decide.
  if (maxBytes === undefined && isAmple) return;
  const forecast = await forecastPull(repository, source, prepared, options);
  requireBudget(forecast.fetchBytes, maxBytes);
  if (isAmple) return;
  const terms = { jobs: jobsOf(options), keepBlobs, blockBytes, signal };
  requireSpace(repository, await forecastDisk(repository, source, forecast, terms));
}
