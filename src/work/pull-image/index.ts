/**
 * Pulling an OCI image or artifact into a repository: one pass over each blob, names last.
 *
 *     resolve ─▶ plan ─▶ blobs (work/ingest) ─┬─ layer streams ─▶ names
 *                                             └─ entries ─▶ tree ─▶ EROFS image ─▶ names, tag last
 */
export { type Platform, parsePlatform, type ResolvedImage } from '#formats/oci';
export { ZSTD_EXACT_VERSION, zstdParity } from '#formats/splitstream';
export type { ReflinkPolicy } from '#work/ingest';
export type { PullStrategy } from '#work/pull-partial';
export { LayerReader, type LayerReaderOptions } from './layer-reader.ts';
export { arrangeLayers, nameOf, type PlannedLayer } from './plan.ts';
export type { UpstreamSteps } from './publish.ts';
export { type PlanPullOptions, type PullOptions, planPull, pullImage } from './pull.ts';
export type {
  LayerCost,
  LayerPlan,
  LayerReport,
  PullPlan,
  PullReport,
  ReusedBytes,
} from './report.ts';
export {
  type ForecastInput,
  type LayerForecast,
  type LayerPlanner,
  type LayerRoute,
  planWholeBlob,
} from './route.ts';
export {
  type OpenedSource,
  type OpenSourceOptions,
  openSource,
  type PullSource,
  requireTarLayers,
} from './source.ts';
