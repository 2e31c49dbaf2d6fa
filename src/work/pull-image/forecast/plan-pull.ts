import type { ImageReference } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { openOciImage } from '#work/image';
import { describePlan } from '../plan.ts';
import type { PullOptions } from '../pull.ts';
import type { PullPlan } from '../report.ts';
import { openSource, type PullSource } from '../source.ts';
import { forecastDisk } from './forecast.ts';
import { jobsOf } from './jobs.ts';
import { forecastPull, preparePull } from './prepare.ts';

/** Options of a plan. */
export type PlanPullOptions = Pick<
  PullOptions,
  | 'platform'
  | 'reading'
  | 'judge'
  | 'registry'
  | 'planLayer'
  | 'keepBlobs'
  | 'strategy'
  | 'layerBytesMax'
  | 'jobs'
  | 'maxBytes'
  | 'signal'
> & {
  /** @internal As `PullOptions.sources`. */
  readonly sources?: PullOptions['sources'];
  /** Name of an image: plans as if the repository had only that. */
  readonly base?: string | undefined;
};

/** Size of a block where there is no repository yet. */
const BLOCK_BYTES = 4096;

/**
 * What `pullImage` would do; nothing is written. Without a repository everything is wanted. Ends and starts of blobs are read where they say how
 * large the tar is.
 * @throws as resolving the source; with `base` as `openOciImage`
 */
export async function planPull(
  repository: Repository | undefined,
  from: string | ImageReference | PullSource,
  options: PlanPullOptions = {},
): Promise<PullPlan> {
  await using opened = await openSource(from, options);
  const { source } = opened;
  const { reading, base, signal, maxBytes, keepBlobs = false } = options;
  const asked = { ...options, isPlan: true };
  const found = await preparePull(repository, source, asked);
  const prepared = await forecastPull(repository, source, found, asked);
  const { image, trust, layers, forecasts, fetchBytes, requests } = prepared;
  const isOther =
    repository !== undefined &&
    base !== undefined &&
    openOciImage(repository, base).manifestDigest !== image.manifest.digest;
  const parts = { image, layers, forecasts, reading };
  const plan = describePlan({ ...parts, repository: isOther ? undefined : repository });
  const space = repository?.readSpace();
  const blockBytes = space?.blockBytes ?? BLOCK_BYTES;
  const terms = { jobs: jobsOf(options), keepBlobs, blockBytes, signal };
  const { peakBytes, isGuess } = await forecastDisk(repository, source, prepared, terms);
  return {
    ...plan,
    fetchBytes,
    requests,
    isOverBudget: maxBytes !== undefined && fetchBytes > maxBytes,
    disk: { peakBytes, isGuess, availableBytes: space?.availableBytes },
    trust,
  };
}
