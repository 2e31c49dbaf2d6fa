/**
 * Pulling an OCI image or artifact into a repository: one pass over each blob, names last.
 *
 *     resolve ─▶ plan ─▶ blobs (work/ingest) ─┬─ layer streams ─▶ names
 *                                             └─ entries ─▶ tree ─▶ EROFS image ─▶ names, tag last
 */
export { formatPlatform, type Platform, parsePlatform, type ResolvedImage } from '#formats/oci';
export { ZSTD_EXACT_VERSION, zstdParity } from '#formats/splitstream';
export type { Reading } from '#formats/tree';
export type { ReflinkPolicy } from '#work/ingest';
export type { PullStrategy } from '#work/pull-partial';
export { type PullAccess, withAccess } from './access.ts';
export { type DownloadOptions, downloadImage } from './forecast/download.ts';
export { requireBudget } from './forecast/limits.ts';
export { type PlanPullOptions, planPull } from './forecast/plan-pull.ts';
export {
  type ForecastInput,
  type LayerForecast,
  type LayerPlanner,
  type LayerRoute,
  planWholeBlob,
} from './forecast/route.ts';
export { LayerReader, type LayerReaderOptions } from './layer-reader.ts';
export { arrangeLayers, nameOf, type PlannedLayer } from './plan.ts';
export type { UpstreamSteps } from './publish.ts';
export { type PullOptions, pullImage } from './pull.ts';
export type {
  DownloadReport,
  LayerCost,
  LayerPlan,
  LayerReport,
  PullPlan,
  PullReport,
  ReusedBytes,
} from './report.ts';
export { isRemote } from './resume.ts';
export {
  fixedSource,
  type OpenedSource,
  type OpenSourceOptions,
  openSource,
  type PullSource,
  requireTarLayers,
} from './source.ts';
