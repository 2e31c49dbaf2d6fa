import * as v from 'valibot';
import type { ContentDigest } from '#base/digest';
import { UsageError } from '#base/errors';
import { targetOf } from '#work/catalog';
import { manifestsBelow } from '#work/image';
import { formatPlatform, type Platform, type Reading } from '#work/pull-image';
import { downloadIndex, type IndexPullOptions, planIndexPull, pullIndex } from '#work/pull-index';
import type { PullRequest } from './pull.ts';
import { type PulledReferrer, pullReferrers } from './pull-referrers.ts';
import { replaced, replacedBy } from './pull-report.ts';
import { registryOptions } from './registry-keys.ts';
import { openIfPresent, openToFill } from './repository.ts';
import { count, list, orNull, text } from './schemas.ts';
import { trustReport } from './trust-report.ts';
import type { VerbContext } from './verb.ts';

const facts = {
  kind: v.literal('index'),
  indexDigest: text,
  mediaType: text,
  /** What accepted the images. */
  trust: trustReport,
};
const image = {
  /** As the index says; null for an attestation. */
  platform: v.nullable(text),
  kind: v.picklist(['image', 'artifact']),
  manifestDigest: text,
};
/** What a pull of all platforms would do. */
export const indexPlanReport = v.object({
  dryRun: v.literal(true),
  ...facts,
  name: text,
  replaced,
  wouldCreate: v.boolean(),
  images: list(v.object({ ...image, layers: count, wantedBytes: count, presentBytes: count })),
  /** Size of the blobs that would be read, each once. */
  wantedBytes: count,
  /** Bytes that would come over a network: documents too, and a layer of several images once. */
  fetchBytes: count,
  isOverBudget: v.boolean(),
});
/** What a pull of all platforms did. */
export const indexPullReport = v.object({
  dryRun: v.literal(false),
  downloadOnly: v.literal(false),
  ...facts,
  name: v.nullable(text),
  replaced,
  images: list(
    v.object({
      ...image,
      /** Null for an artifact. */
      imageId: v.nullable(text),
      layers: count,
      /** Layers that were not fetched for this image. */
      present: count,
    }),
  ),
  /** Artifacts that were pulled because they refer to the index, to one of its images, or to one of them. */
  referrers: list(v.object({ digest: text, subject: text, artifactType: v.nullable(text) })),
  bytes: v.object({ fetched: count, stored: count }),
});

/** What a download of all platforms did. */
export const indexDownloadReport = v.object({
  dryRun: v.literal(false),
  downloadOnly: v.literal(true),
  ...facts,
  images: list(
    v.object({ ...image, layers: count, /** Layers that are stored. */ present: count }),
  ),
  bytes: v.object({ fetched: count }),
});

/** How an index is pulled. */
export interface IndexChoice {
  readonly name: string;
  readonly reading: Reading | undefined;
}

/** Plan of a pull of all platforms; undefined when the reference names a single image. */
export async function planPlatforms(context: VerbContext, asked: PullRequest, choice: IndexChoice) {
  requireIndexOptions(asked);
  using repository = await openIfPresent(context);
  const plan = await planIndexPull(repository, asked.reference, optionsOf(context, asked, choice));
  if (plan === undefined) return undefined;
  const wanted = new Map(
    plan.images
      .flatMap(({ layers }) => layers)
      .filter(({ status }) => status === 'wanted')
      .map(({ digest, sizeBytes }) => [digest, sizeBytes]),
  );
  return {
    dryRun: true as const,
    kind: 'index' as const,
    ...plan,
    name: choice.name,
    replaced: replacedBy(
      repository && targetOf(repository, 'index', choice.name),
      plan.indexDigest,
    ),
    wouldCreate: repository === undefined,
    images: plan.images.map(({ platform, layers, kind, manifestDigest, ...sizes }) => ({
      platform: platformText(platform),
      kind,
      manifestDigest,
      layers: layers.length,
      wantedBytes: sizes.wantedBytes,
      presentBytes: sizes.presentBytes,
    })),
    wantedBytes: [...wanted.values()].reduce((sum, size) => sum + size, 0),
  };
}

/** Downloads all platforms; undefined when the reference names a single image. */
export async function downloadPlatforms(context: VerbContext, asked: PullRequest) {
  requireIndexOptions(asked);
  using repository = await openToFill(context);
  const { signal, onProgress, jobs, warn: onWarning } = context;
  const { reference, maxBytes } = asked;
  const options = { signal, onProgress, jobs, onWarning, maxBytes };
  const done = await downloadIndex(repository, reference, {
    ...options,
    registry: registryOptions(asked),
  });
  if (done === undefined) return undefined;
  const { indexDigest, mediaType, trust, fetchedBytes } = done;
  return {
    dryRun: false as const,
    downloadOnly: true as const,
    kind: 'index' as const,
    indexDigest,
    mediaType,
    trust,
    images: done.images.map(({ platform, layers, kind, manifestDigest }) => ({
      platform: platformText(platform),
      kind,
      manifestDigest,
      layers: layers.length,
      present: layers.filter(({ route }) => route === 'present').length,
    })),
    bytes: { fetched: fetchedBytes },
  };
}

/** Pulls all platforms; undefined when the reference names a single image. */
export async function pullPlatforms(context: VerbContext, asked: PullRequest, choice: IndexChoice) {
  requireIndexOptions(asked);
  const { reference } = asked;
  using repository = await openToFill(context);
  const before = targetOf(repository, 'index', choice.name);
  const done = await pullIndex(repository, reference, optionsOf(context, asked, choice));
  if (done === undefined) return undefined;
  const referrers: PulledReferrer[] = [];
  if (asked.withReferrers === true) {
    const subjects: ContentDigest[] = [
      ...manifestsBelow(repository, done.indexDigest).map(({ digest }) => digest),
      done.indexDigest,
    ];
    referrers.push(...(await pullReferrers(context, repository, { reference, subjects, asked })));
  }
  const { images, fetchedBytes } = done;
  return {
    dryRun: false as const,
    downloadOnly: false as const,
    kind: 'index' as const,
    name: orNull(done.name),
    replaced: replacedBy(before, done.indexDigest),
    indexDigest: done.indexDigest,
    mediaType: done.mediaType,
    trust: done.trust,
    images: images.map(({ platform, layers, ...one }) => ({
      platform: platformText(platform),
      kind: one.kind,
      manifestDigest: one.manifestDigest,
      imageId: orNull(one.imageId),
      layers: layers.length,
      present: layers.filter(({ status }) => status !== 'imported').length,
    })),
    referrers,
    bytes: {
      fetched: fetchedBytes,
      stored: images.reduce((sum, { bytes }) => sum + bytes.stored, 0),
    },
  };
}

function platformText(platform: Platform | undefined): string | null {
  const said = platform === undefined ? 'unknown/unknown' : formatPlatform(platform);
  return said === 'unknown/unknown' ? null : said;
}

/** @throws UsageError for options that select or change an image */
function requireIndexOptions({ reference, platform }: PullRequest): void {
  if (platform !== undefined) {
    throw new UsageError(
      `Cannot pull "${reference}": expected one of --platform and --all-platforms, found both`,
    );
  }
  if (reference.startsWith('containers-storage:')) {
    throw new UsageError(
      `Cannot pull all platforms of "${reference}": containers-storage holds one image of a name`,
    );
  }
}

function optionsOf(
  { signal, onProgress, jobs, requireVerity, warn }: VerbContext,
  asked: PullRequest,
  { name, reading }: IndexChoice,
): IndexPullOptions {
  const { verifyReused, strategy, maxEntries, maxLayerSizeBytes, maxBytes } = asked;
  return {
    name,
    reading,
    registry: registryOptions(asked),
    signal,
    onProgress,
    onWarning: warn,
    jobs,
    requireVerity,
    verifyReused,
    strategy,
    maxBytes,
    entriesMax: maxEntries,
    layerBytesMax: maxLayerSizeBytes,
  };
}
