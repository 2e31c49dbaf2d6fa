import { type OperationOptions, pool } from '#base/flow';
import type { Repository } from '#stores/composefs';
import type { ContentSource } from '#work/contents';
import type { PullStrategy } from '#work/pull-partial';
import { FROM_FILES } from '../other-layers.ts';
import { PartialRoute } from '../partial/partial-route.ts';
import { blobsToKeep, type PlannedLayer } from '../plan.ts';
import { isRemote, PARTIAL_BYTES_MIN } from '../resume.ts';
import type { PullSource } from '../source.ts';
import { computeDiskNeed, type DiskNeed, type LayerNeed } from './disk-need.ts';
import { forecastKnown, type LayerForecast, type LayerPlanner, planWholeBlob } from './route.ts';
import { readUnpackedSize } from './unpacked-size.ts';

/** Layers whose planner is asked at once. */
const PLANNERS_MAX = 6;

/** What a forecast goes by. */
export interface ForecastOptions extends Pick<OperationOptions, 'signal'> {
  readonly planLayer?: LayerPlanner | undefined;
  readonly strategy?: PullStrategy | undefined;
  readonly sources?: readonly ContentSource[] | undefined;
  readonly layerBytesMax?: number | undefined;
  /** Plans as if no interrupted pull had left anything. */
  readonly ignoresPartials?: boolean | undefined;
  /** Blobs are stored as fetched, too: those of stored layers are fetched, and none comes in parts. */
  readonly keepBlobs?: boolean | undefined;
}

/** Decides for every layer of an image how it would come. No content is read. @throws what the planner and the source throw */
export async function forecastLayers(
  repository: Repository | undefined,
  source: PullSource,
  layers: readonly PlannedLayer[],
  options: ForecastOptions,
): Promise<LayerForecast[]> {
  const { ignoresPartials = false, keepBlobs = false, signal } = options;
  const { strategy = 'auto', layerBytesMax, sources } = options;
  const parts = new PartialRoute(repository, { strategy, layerBytesMax, sources });
  const planLayer: LayerPlanner = options.planLayer ?? ((input) => parts.forecast(input));
  const wanted = keepBlobs ? blobsToKeep(layers) : undefined;
  const partials = ignoresPartials ? undefined : repository?.partials;
  return await pool(layers, PLANNERS_MAX, async (layer) => {
    const { digest, sizeBytes } = layer.descriptor;
    const known = forecastKnown(layer);
    const isBlobWanted = source.openLayer === undefined && wanted?.has(layer.position) === true;
    if (known !== undefined && !isBlobWanted) return known;
    if (source.openLayer !== undefined && layer.diffId !== undefined) {
      return { ...FROM_FILES, hereBytes: sizeBytes, fetchBytes: 0, requests: 0, storedBytes: 0 };
    }
    const content = await source.openBlob(digest, sizeBytes);
    const heldBytes = partials?.heldBytes(digest) ?? 0;
    const input = { layer, content, heldBytes, signal };
    return await (isBlobWanted ? planWholeBlob(input) : planLayer(input));
  });
}

/** Layers and how they come. */
export interface ForecastLayers {
  readonly layers: readonly PlannedLayer[];
  readonly forecasts: readonly LayerForecast[];
}

/** How the room for a pull is computed. */
export interface DiskOptions extends Pick<OperationOptions, 'signal'> {
  readonly jobs: number;
  readonly keepBlobs: boolean;
  readonly blockBytes: number;
}

/** Room that a pull needs; asks for the sizes of the tars where the forecasts do not know them. */
export async function forecastDisk(
  repository: Repository | undefined,
  source: PullSource,
  { layers, forecasts }: ForecastLayers,
  { jobs, keepBlobs, blockBytes, signal }: DiskOptions,
): Promise<DiskNeed> {
  const wanted = layers.filter(({ position }) => isWanted(forecasts[position]));
  // The largest first, as they are brought.
  wanted.sort((a, b) => b.descriptor.sizeBytes - a.descriptor.sizeBytes);
  const needs = await pool(wanted, PLANNERS_MAX, async (layer): Promise<LayerNeed> => {
    const { descriptor, diffId, position } = layer;
    const { route, fetchBytes, storedBytes } = forecasts[position] as LayerForecast;
    const { digest, sizeBytes: blobBytes } = descriptor;
    // What a store on this host keeps as files is shared where that can be.
    if (storedBytes === 0) return { blobBytes: 0, spoolBytes: 0, unpackedBytes: 0, keptBytes: 0 };
    const content = await source.openBlob(digest, blobBytes);
    const isSpooled = route === 'whole' && isRemote(content) && blobBytes >= PARTIAL_BYTES_MIN;
    const spoolBytes = isSpooled ? fetchBytes : 0;
    const keptBytes = keepBlobs && diffId !== undefined ? blobBytes : 0;
    const unpackedBytes =
      diffId === undefined
        ? blobBytes
        : (storedBytes ?? (await readUnpackedSize(descriptor, content, signal)));
    return { blobBytes, spoolBytes, unpackedBytes, keptBytes };
  });
  const present = repository?.objects.sample() ?? { count: 0, sizeBytes: 0 };
  const { count, sizeBytes: presentBytes } = present;
  const meanFileBytes = count < MEANINGFUL_OBJECTS ? undefined : presentBytes / count;
  return computeDiskNeed(needs, { blockBytes, jobs, presentBytes, meanFileBytes });
}

/** Objects from which a mean says something about files to come. */
const MEANINGFUL_OBJECTS = 500;

function isWanted(forecast: LayerForecast | undefined): boolean {
  return forecast?.route === 'whole' || forecast?.route === 'partial';
}
