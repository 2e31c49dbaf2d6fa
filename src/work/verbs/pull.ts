import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { checkTagName } from '#stores/composefs';
import { parseReference } from '#work/export';
import {
  type PullReport as ImageReport,
  type OpenedSource,
  openSource,
  type PullPlan,
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
import { isRegistryReference, policyKeys, registryKeys, registryOptions } from './registry-keys.ts';
import { openIfPresent, openToFill } from './repository.ts';
import { count, flag, list, maybeText, orNull, text, texts } from './schemas.ts';
import { trustReport } from './trust-report.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

const maybePositive = v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)));

/** Whether files may share extents with those of another store. */
export const REFLINK_POLICIES = ['auto', 'always', 'never'] as const;

/** What only images have. */
const imageKeys = {
  platform: maybeText,
  /** Keep the compressed blobs too, so that an export is byte-identical. */
  keepBlobs: flag,
  /** How files of containers-storage become objects: `auto` (default) reflinks or copies, `always` refuses to copy, `never` copies. */
  reflink: v.optional(v.picklist(REFLINK_POLICIES)),
  /** Also pull what refers to the image: signatures, lists of contents. */
  withReferrers: flag,
  ...policyKeys,
  ...registryKeys,
  /** How layers with a table of contents come: by what is cheaper, whole, or by ranges wherever that is possible. */
  strategy: v.optional(v.picklist(['auto', 'whole', 'partial'])),
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

const kind = v.picklist(['image', 'artifact']);
const route = v.picklist(['whole', 'partial', 'present', 'linked']);
const planLayer = v.object({
  route,
  /** Why this route. */
  reason: text,
  /** Bytes that need not be fetched, and that have to be. */
  hereBytes: count,
  fetchBytes: count,
  requests: count,
  diffId: v.nullable(text),
  digest: text,
  sizeBytes: count,
  status: v.picklist(['wanted', 'present', 'repeated']),
});
const trust = v.nullable(trustReport);
const imagePlanReport = v.object({
  dryRun: v.literal(true),
  kind,
  /** What accepts the image. */
  trust,
  name: text,
  wouldCreate: v.boolean(),
  manifestDigest: text,
  configDigest: text,
  layers: list(planLayer),
  /** Size of the blobs that would be read. */
  wantedBytes: count,
  presentBytes: count,
  /** Bytes that would come over a network: manifest, config and signatures too. */
  fetchBytes: count,
  /** Requests to the registry, those for tokens not included. */
  requests: count,
  /** True when EROFS images would be built. */
  wouldBuild: v.boolean(),
});
const imagePullReport = v.object({
  dryRun: v.literal(false),
  kind,
  /** Artifacts that were pulled because they refer to the image, or to one of them. */
  referrers: v.optional(
    list(v.object({ digest: text, subject: text, artifactType: v.nullable(text) })),
  ),
  /** What accepted the image. */
  trust,
  name: v.nullable(text),
  manifestDigest: text,
  configDigest: text,
  manifestStreamId: text,
  firstManifestStreamId: text,
  /** Null for an artifact. */
  imageId: v.nullable(text),
  imageIds: v.record(text, text),
  built: v.boolean(),
  /** How the layers were read; null for an artifact. */
  reading: v.nullable(v.picklist(['standard', 'cfsctl'])),
  /** Entries that cfsctl reads differently; known only if this pull built the EROFS images. */
  differences: v.nullable(
    v.object({
      count,
      named: list(v.object({ difference: text, layer: text, path: text })),
    }),
  ),
  layers: list(
    v.object({
      diffId: v.nullable(text),
      digest: text,
      status: v.picklist(['imported', 'present', 'repeated']),
      sizeBytes: count,
      streamId: text,
      route,
      reason: text,
      /** Bytes that came over a network, and of those what was of no use. */
      fetchedBytes: count,
      wastedBytes: count,
      /** Content of objects and of chunks of objects; bytes of the blob from an interrupted pull and from a file of this host. */
      reusedBytes: v.object({ objects: count, chunks: count, partial: count, file: count }),
      requests: count,
    }),
  ),
  objects: v.object({ stored: count, reused: count, reflinked: count, copied: count }),
  bytes: v.object({
    fetched: count,
    local: count,
    stored: count,
    reflinked: count,
    inlined: count,
  }),
  /** Of the whole pull, documents included; null for a source on this host. */
  traffic: v.nullable(v.object({ requests: count, bodyBytes: count, skippedBytes: count })),
  /** Wall time by phase, in milliseconds. */
  ms: v.object({
    resolve: v.number(),
    layers: v.number(),
    image: v.number(),
    publish: v.number(),
    total: v.number(),
  }),
});
const report = v.union([imagePlanReport, imagePullReport, commitPlanReport, commitPullReport]);
export type PullReport = v.InferOutput<typeof report>;

/** `pull`: verifies an image or OSTree commits, and stores them in the repository. */
export const pull = defineVerb({
  request,
  report,
  examples: [
    {
      request: { reference: 'oci:layout:latest', names: ['app'] },
      says: 'Pull an image of an OCI layout',
    },
    {
      request: { reference: 'containers-storage:localhost/app:1' },
      says: 'Take over an image that podman has, sharing its files',
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
    using repository = await openIfPresent(context);
    const { signal } = context;
    await using opened = await openReference(context, asked);
    const { strategy, maxLayerSizeBytes: layerBytesMax } = asked;
    const how = { signal, strategy, layerBytesMax, ...choice };
    const plan = await planPull(repository, opened.source, how);
    return planReport(plan, name, repository === undefined);
  },
  async run(context, asked) {
    warnOfOtherZstd(context);
    if (isOstree(asked.reference)) {
      const { run } = await ostreeVerb();
      return await run(context, commitRequest(asked));
    }
    const { name, ...choice } = imageChoice(asked);
    await using opened = await openReference(context, asked);
    const { source: found } = opened;
    const { signal, onProgress, jobs, requireVerity } = context;
    const image = await found.resolve({ ...choice, signal });
    using repository = await openToFill(context);
    const source = {
      resolve: () => image,
      openBlob: found.openBlob.bind(found),
      openLayer: found.openLayer?.bind(found),
      judge: found.judge?.bind(found),
      remember: found.remember?.bind(found),
      get traffic() {
        return found.traffic;
      },
    };
    const { keepBlobs, verifyReused, reflink, strategy, maxEntries, maxLayerSizeBytes } = asked;
    const limits = { entriesMax: maxEntries, layerBytesMax: maxLayerSizeBytes };
    const onWarning = context.warn;
    const reuse = { keepBlobs, verifyReused, reflink, strategy, onWarning };
    const how = { name, ...choice, ...reuse, ...limits, jobs, requireVerity };
    const done = pullReport(await pullImage(repository, source, { signal, onProgress, ...how }));
    if (asked.withReferrers !== true) return done;
    const { reference } = asked;
    const { pullReferrers } = await import('./pull-referrers.ts');
    const job = { reference, subject: done.manifestDigest, asked };
    return { ...done, referrers: await pullReferrers(context, repository, job) };
  },
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

/** The name of an image, and its reference. @throws UsageError; FormatError REF_NAME_INVALID, PLATFORM_INVALID */
function imageChoice(asked: PullRequest) {
  const { reference, names, platform } = asked;
  const others = Object.keys(commitPullKeys).filter((key) => !SHARED_KEYS.includes(key));
  const ofRegistries = isRegistryReference(reference) ? [] : Object.keys(registryKeys);
  const isStored = reference.startsWith('containers-storage:');
  const ofLayers = isStored ? ['keepBlobs', 'withReferrers'] : ['reflink'];
  refuseKeys(asked, [...others, ...ofRegistries, ...ofLayers], `pull "${reference}"`);
  if (names.length > 1) {
    throw new UsageError(`Cannot pull "${reference}": expected one name, found ${names.length}`);
  }
  const name = names[0] ?? defaultName(parseReference(reference));
  checkTagName(name);
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

function planReport(
  { layers, ...plan }: PullPlan,
  name: string,
  wouldCreate: boolean,
): v.InferOutput<typeof imagePlanReport> {
  const rows = layers.map((layer) => ({ ...layer, diffId: orNull(layer.diffId) }));
  const { trust: accepted, ...rest } = plan;
  return { dryRun: true, name, wouldCreate, ...rest, trust: orNull(accepted), layers: rows };
}

function pullReport({ layers, ...done }: ImageReport): v.InferOutput<typeof imagePullReport> {
  return {
    dryRun: false,
    ...done,
    name: orNull(done.name),
    trust: orNull(done.trust),
    imageId: orNull(done.imageId),
    reading: orNull(done.reading),
    differences: orNull(done.differences),
    traffic: orNull(done.traffic),
    layers: layers.map((layer) => ({ ...layer, diffId: orNull(layer.diffId) })),
  };
}
