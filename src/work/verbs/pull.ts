import * as v from 'valibot';
import type { ContentDigest } from '#base/digest';
import { UsageError } from '#base/errors';
import { checkNewName, targetOf, warningOfTwins } from '#work/catalog';
import { parseReference } from '#work/export';
import type { ForeignContents } from '#work/foreign-contents';
import {
  downloadImage,
  fixedSource,
  type OpenedSource,
  openSource,
  parsePlatform,
  planPull,
  pullImage,
  ZSTD_EXACT_VERSION,
  zstdParity,
} from '#work/pull-image';
import { createLocalJudge } from '#work/trust';
import { defaultName } from './default-name.ts';
import { type CommitPullRequest, commitPullKeys, SHARED_KEYS } from './ostree-keys.ts';
import { commitPlanReport, commitPullReport } from './ostree-pull-report.ts';
import { indexDownloadReport, indexPlanReport, indexPullReport } from './pull-platforms.ts';
import {
  downloadReport,
  imageDownloadReport,
  imagePlanReport,
  imagePullReport,
  planReport,
  pullReport,
  replacedBy,
} from './pull-report.ts';
import {
  attachmentKeys,
  isRegistryReference,
  policyKeys,
  registryKeys,
  registryOptions,
} from './registry-keys.ts';
import { openIfPresent, openToFill } from './repository.ts';
import { count, flag, maybeText, text, texts } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

const maybePositive = v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)));

/** Whether files may share extents with those of another store. */
export const REFLINK_POLICIES = ['auto', 'always', 'never'] as const;

/** What only images have. */
const imageKeys = {
  platform: maybeText,
  /** Pull an index with the images of all its platforms, and keep their compressed blobs. */
  allPlatforms: flag,
  /** Keep the compressed blobs too, so that an export is byte-identical. */
  keepBlobs: flag,
  /** How files of containers-storage become objects: `auto` (default) reflinks or copies, `always` refuses to copy, `never` copies. */
  reflink: v.optional(v.picklist(REFLINK_POLICIES)),
  /** Also pull what refers to the image: signatures, lists of contents. */
  withReferrers: flag,
  /** Most bytes to fetch. */
  maxBytes: v.optional(count),
  /** Fetch blobs for a later pull, and store nothing else. */
  downloadOnly: flag,
  ...policyKeys,
  ...registryKeys,
  /** How layers with a table of contents come: by what is cheaper, whole, or by ranges wherever that is possible. */
  strategy: v.optional(v.picklist(['auto', 'whole', 'partial'])),
  /** Stores whose files are used where a layer comes in parts: `containers-storage:` or `ostree-local:PATH`. */
  reuseFrom: texts,
  /** Refuse an image of more files and directories. */
  maxEntries: maybePositive,
  /** Refuse a layer larger than this after decompression. */
  maxLayerSizeBytes: maybePositive,
};

const request = v.strictObject({
  reference: text,
  /** One name for an image; for commits, further refs of the same source. */
  names: texts,
  ...imageKeys,
  ...commitPullKeys,
});
export type PullRequest = v.InferOutput<typeof request>;

const report = v.union([
  imagePlanReport,
  imagePullReport,
  imageDownloadReport,
  indexPlanReport,
  indexPullReport,
  indexDownloadReport,
  commitPlanReport,
  commitPullReport,
]);
export type PullReport = v.InferOutput<typeof report>;

/** `pull`: verifies an image or OSTree commits, and stores them in the repository. */
export const pull = defineVerb({
  request,
  report,
  examples: [
    {
      request: { reference: 'docker://localhost:5000/ns/app:1', names: ['app'] },
      says: 'Pull an image from a registry',
    },
    {
      request: { reference: 'oci:layout:latest', names: ['app'] },
      says: 'Pull an image of an OCI layout',
    },
    {
      request: { reference: 'containers-storage:localhost/app:1' },
      says: 'Pull an image from the storage of podman, and share extents with it',
    },
    { request: { reference: 'ostree-local:os-repo:os' }, says: 'Pull an OSTree commit' },
  ],
  async plan(context, asked) {
    warnOfOtherZstd(context);
    if (isOstree(asked.reference)) {
      const { plan } = await ostreeVerb();
      return await plan(context, commitRequest(asked));
    }
    const { name, ...choice } = imageChoice(asked);
    if (asked.allPlatforms === true) {
      const { planPlatforms } = await import('./pull-platforms.ts');
      const planned = await planPlatforms(context, asked, { ...choice, name });
      if (planned !== undefined) return planned;
    }
    using repository = await openIfPresent(context);
    const { signal } = context;
    await using opened = await openReference(context, asked);
    const { jobs } = context;
    const { maxBytes, keepBlobs, strategy, maxLayerSizeBytes: layerBytesMax } = asked;
    await using sources = await openSources(context, asked);
    const reuse = { strategy, sources: sources.list };
    const terms = { jobs, maxBytes, base: baseOf(asked), keepBlobs, ...reuse, layerBytesMax };
    const how = { signal, ...terms, ...choice };
    const plan = await planPull(repository, opened.source, how);
    const before = repository && targetOf(repository, 'image', name);
    return planReport(plan, {
      name,
      replaced: replacedBy(before, plan.manifestDigest),
      wouldCreate: repository === undefined,
    });
  },
  async run(context, asked) {
    warnOfOtherZstd(context);
    if (isOstree(asked.reference)) {
      const { run } = await ostreeVerb();
      return await run(context, commitRequest(asked));
    }
    const { name, ...choice } = imageChoice(asked);
    if (baseOf(asked) !== undefined)
      throw new UsageError('Cannot use --base: it applies to --dry-run');
    if (asked.allPlatforms === true) {
      const { downloadPlatforms, pullPlatforms } = await import('./pull-platforms.ts');
      const pulled = await (asked.downloadOnly === true
        ? downloadPlatforms(context, asked)
        : pullPlatforms(context, asked, { ...choice, name }));
      if (pulled !== undefined) return pulled;
    }
    await using opened = await openReference(context, asked);
    const { source: found } = opened;
    const { signal, onProgress, jobs, requireVerity } = context;
    const image = await found.resolve({ ...choice, signal });
    using repository = await openToFill(context);
    const source = fixedSource(found, image);
    const { keepBlobs, verifyReused, reflink, strategy, maxBytes } = asked;
    if (asked.downloadOnly === true) {
      const how = { ...choice, jobs, maxBytes, signal, onProgress };
      return downloadReport(await downloadImage(repository, source, how));
    }
    const limits = {
      entriesMax: asked.maxEntries,
      layerBytesMax: asked.maxLayerSizeBytes,
      maxBytes,
    };
    const onWarning = context.warn;
    await using sources = await openSources(context, asked);
    const reuse = { keepBlobs, verifyReused, reflink, strategy, sources: sources.list, onWarning };
    const how = { name, ...choice, ...reuse, ...limits, jobs, requireVerity };
    const before = targetOf(repository, 'image', name);
    const pulled = await pullImage(repository, source, { signal, onProgress, ...how });
    const warning = warningOfTwins(repository, name);
    if (warning !== undefined) context.warn(warning);
    const done = pullReport(pulled, before);
    if (asked.withReferrers !== true) return done;
    const { reference } = asked;
    const { pullReferrers } = await import('./pull-referrers.ts');
    const job = { reference, subjects: [done.manifestDigest as ContentDigest], asked };
    return { ...done, referrers: await pullReferrers(context, repository, job) };
  },
  hasFindings: (done) => 'isOverBudget' in done && done.isOverBudget,
});

/** Opens the source, and reports warnings about the configuration of registries. */
async function openReference(context: VerbContext, asked: PullRequest): Promise<OpenedSource> {
  const { reference } = asked;
  const opened = await openSource(reference, {
    registry: registryOptions(asked),
    signal: context.signal,
  });
  for (const warning of opened.source.warnings ?? []) context.warn(warning);
  return opened;
}

/** Opens the stores that the pull may use. @throws as `openForeignContents` */
async function openSources({ signal }: VerbContext, { reuseFrom }: PullRequest) {
  const list: ForeignContents[] = [];
  const close = async () => {
    for (const one of list) one[Symbol.dispose]();
  };
  try {
    // Loaded on demand: most pulls use nothing of other stores.
    const open = reuseFrom.length > 0 ? await import('#work/foreign-contents') : undefined;
    for (const text of reuseFrom) {
      const opened = await open?.openForeignContents(text, { signal });
      if (opened !== undefined) list.push(opened);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { list, [Symbol.asyncDispose]: close };
}

/** The only image that a plan takes to be here. @throws UsageError */
function baseOf({ base, reference }: PullRequest): string | undefined {
  if (base.length <= 1) return base[0];
  throw new UsageError(`Cannot plan "${reference}": expected one --base, found ${base.length}`);
}

function isOstree(reference: string): boolean {
  return /^ostree(?:-local)?:/.test(reference);
}

/** Loaded on demand: the HTTP client takes time to load, which other pulls do not need. */
async function ostreeVerb() {
  const { planPullOf, pullCommitsOf } = await import('./ostree-pull.ts');
  return { plan: planPullOf, run: pullCommitsOf };
}

/** The part of a request that applies to commits. @throws UsageError for other options */
function commitRequest(asked: PullRequest): CommitPullRequest {
  refuseKeys(asked, Object.keys(imageKeys), `pull "${asked.reference}"`);
  const rest = Object.entries(asked).filter(([key]) => !(key in imageKeys));
  return Object.fromEntries(rest) as CommitPullRequest;
}

/** What an index with the images of all its platforms cannot have yet. */
const ONE_PLATFORM_KEYS = ['base', 'reuseFrom'];

/** The name of an image, and its reference. @throws UsageError; FormatError PLATFORM_INVALID */
function imageChoice(asked: PullRequest) {
  const { reference, names, platform } = asked;
  const others = Object.keys(commitPullKeys).filter((key) => !SHARED_KEYS.includes(key));
  const ofRegistries = isRegistryReference(reference)
    ? []
    : [...Object.keys(registryKeys), ...Object.keys(attachmentKeys), 'downloadOnly'];
  const isStored = reference.startsWith('containers-storage:');
  const ofLayers = isStored ? ['keepBlobs', 'withReferrers'] : ['reflink'];
  refuseKeys(asked, [...others, ...ofRegistries, ...ofLayers], `pull "${reference}"`);
  if (asked.allPlatforms === true) {
    refuseKeys(asked, ONE_PLATFORM_KEYS, `pull all platforms of "${reference}"`);
  }
  if (names.length > 1) {
    throw new UsageError(`Cannot pull "${reference}": expected one name, found ${names.length}`);
  }
  const name = names[0] ?? defaultName(parseReference(reference));
  checkNewName(name);
  const { signaturePolicy, requirePolicy = false, compat: reading } = asked;
  return {
    name,
    reading,
    platform: platform === undefined ? undefined : parsePlatform(platform),
    // The source of an image in a registry applies the policy itself, because it knows the location of the signatures.
    judge: isRegistryReference(reference)
      ? undefined
      : createLocalJudge(reference, {
          ...(signaturePolicy === undefined ? {} : { signaturePolicy }),
          requirePolicy,
        }),
  };
}

/** The ids of new streams depend on the exact compressor, so another version always causes a warning. */
function warnOfOtherZstd({ warn }: VerbContext): void {
  const { exact, version } = zstdParity();
  if (exact) return;
  warn(
    `this Node compresses with libzstd ${version}, not ${ZSTD_EXACT_VERSION}: ids of new streams will differ from cfsctl's`,
  );
}
