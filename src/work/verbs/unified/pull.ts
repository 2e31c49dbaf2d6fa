import * as v from 'valibot';
import { parsePlatform } from '#work/pull-image';
import { createLocalJudge } from '#work/trust';
import {
  journalListener,
  journalPlaces,
  planUnifiedPull,
  type UnifiedPullOptions,
  type UnifiedPullPlan,
  type UnifiedPullReport,
  unifiedPull,
} from '#work/unify';
import {
  isRegistryReference,
  policyKeys,
  refuseRegistryKeys,
  registryKeys,
  registryOptions,
} from '../registry-keys.ts';
import { count, flag, maybeText, orNull, text } from '../schemas.ts';
import { defineVerb, type VerbContext } from '../verb.ts';
import { mode, presence } from './shapes.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({
  reference: text,
  /** The reference by which the system knows the image (default: the source). */
  target: maybeText,
  /** The mode after the pull (default: the current mode; in a new sysroot the mode that the image requests). */
  mode: v.optional(v.picklist(['enabled', 'enabled-with-copy', 'bound-only'])),
  /** Choose the route by the capabilities of the filesystem instead of the mode. */
  auto: flag,
  platform: maybeText,
  ...policyKeys,
  ...registryKeys,
});
type Request = v.InferOutput<typeof request>;

const shared = {
  imageReference: text,
  manifestDigest: text,
  configDigest: text,
  operation: v.picklist(['install', 'upgrade', 'switch']),
  route: v.object({
    path: v.picklist(['composefs', 'classic', 'native']),
    policy: v.picklist(['zero-copy', 'if-possible']),
    isInStorage: v.boolean(),
  }),
  modeBefore: v.nullable(mode),
  modeAfter: v.nullable(mode),
  reflinksSupported: v.boolean(),
};
const planned = v.object({
  dryRun: v.literal(true),
  ...shared,
  /** What the stores have of the image before the pull. */
  containersStorage: presence,
  composefs: presence,
  ostree: presence,
  /** Bytes that would be fetched over a network, and the maximum that the composefs repository would grow. */
  fetchBytes: count,
  peakBytes: count,
});
const pulled = v.object({
  dryRun: v.literal(false),
  ...shared,
  commit: v.nullable(text),
  ref: v.nullable(text),
  stages: v.object({
    composefs: v.object({
      layersImported: count,
      layersPresent: count,
      objectsStored: count,
      objectsReflinked: count,
      objectsCopied: count,
      fetchedBytes: count,
      reflinkedBytes: count,
      storedBytes: count,
    }),
    /** Null when the image does not go into containers-storage. */
    containersStorage: v.nullable(
      v.object({
        imageId: text,
        name: text,
        layersWritten: count,
        filesReflinked: count,
        filesCopied: count,
        reflinkedBytes: count,
        copiedBytes: count,
      }),
    ),
    /** Null on a host without OSTree. */
    ostree: v.nullable(
      v.object({
        /** True when the repository already had the commit. */
        isPresent: v.boolean(),
        filesReflinked: count,
        /** Files with an object whose extents could not be shared. */
        filesCopied: count,
        /** Copied files, small files and links. */
        filesWritten: count,
        objectsPresent: count,
        metadataWritten: count,
      }),
    ),
  }),
  /** Wall time, in milliseconds. */
  ms: v.object({ composefs: count, containersStorage: count, ostree: count, total: count }),
});
const report = v.union([planned, pulled]);
export type UnifiedPullVerbReport = v.InferOutput<typeof report>;

/** `unified pull`: pulls an image of the system into all of its stores, each byte once. */
export const unifiedPullVerb = defineVerb({
  request,
  report,
  examples: [
    {
      request: { reference: 'docker://localhost:5000/ns/app:1' },
      says: 'Pull the image of the system from a registry',
    },
    {
      request: {
        reference: 'oci:layout:latest',
        target: 'docker://quay.io/ns/app:1',
        mode: 'enabled',
      },
      says: 'Fill a new system from a layout, as an image that later comes from a registry',
    },
  ],
  async plan(context, asked) {
    using sysroot = openSelectedSysroot(context);
    return planOf(await planUnifiedPull(sysroot, asked.reference, optionsOf(context, asked)));
  },
  async run(context, asked) {
    using sysroot = openSelectedSysroot(context);
    return reportOf(await unifiedPull(sysroot, asked.reference, optionsOf(context, asked)));
  },
});

function optionsOf(context: VerbContext, asked: Request): UnifiedPullOptions {
  const { reference, target, platform, signaturePolicy, requirePolicy = false } = asked;
  const isRegistry = isRegistryReference(reference);
  if (!isRegistry) refuseRegistryKeys(asked, `pull "${reference}"`);
  const { signal, onProgress, jobs, warn } = context;
  const policy = { requirePolicy, ...(signaturePolicy === undefined ? {} : { signaturePolicy }) };
  return {
    signal,
    onProgress,
    jobs,
    onWarning: warn,
    onEvent: journalListener(journalPlaces()),
    target,
    mode: asked.mode,
    choice: asked.auto === true ? 'auto' : 'state',
    platform: platform === undefined ? undefined : parsePlatform(platform),
    judge: isRegistry ? undefined : createLocalJudge(reference, policy),
    registry: registryOptions(asked),
  };
}

function planOf({ image, known, route, ...plan }: UnifiedPullPlan): v.InferOutput<typeof planned> {
  const { path, policy, isInStorage } = route;
  return {
    dryRun: true,
    imageReference: plan.imageReference,
    manifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    operation: plan.operation,
    route: { path, policy, isInStorage },
    modeBefore: orNull(plan.mode),
    modeAfter: orNull(route.mode ?? plan.mode),
    reflinksSupported: plan.canReflink,
    containersStorage: known?.storage ?? 'missing',
    composefs: known?.composefs ?? 'missing',
    ostree: known?.ostree ?? 'missing',
    fetchBytes: image.fetchBytes,
    peakBytes: image.disk.peakBytes,
  };
}

function reportOf(done: UnifiedPullReport): v.InferOutput<typeof pulled> {
  const { composefs, storage, ostree, route } = done;
  const { path, policy, isInStorage } = route;
  const imported = composefs.layers.filter(({ status }) => status === 'imported').length;
  const { made } = ostree ?? {};
  return {
    dryRun: false,
    imageReference: done.imageReference,
    manifestDigest: done.manifestDigest,
    configDigest: done.configDigest,
    operation: done.operation,
    route: { path, policy, isInStorage },
    modeBefore: orNull(done.modeBefore),
    modeAfter: orNull(done.modeAfter),
    reflinksSupported: done.canReflink,
    commit: orNull(ostree?.commit),
    ref: orNull(ostree?.ref),
    stages: {
      composefs: {
        layersImported: imported,
        layersPresent: composefs.layers.length - imported,
        objectsStored: composefs.objects.stored,
        objectsReflinked: composefs.objects.reflinked,
        objectsCopied: composefs.objects.copied,
        fetchedBytes: composefs.bytes.fetched,
        reflinkedBytes: composefs.bytes.reflinked,
        storedBytes: composefs.bytes.stored,
      },
      containersStorage:
        storage === undefined
          ? null
          : {
              imageId: storage.imageId,
              name: storage.name,
              layersWritten: storage.layers.filter(({ method }) => method === 'written').length,
              filesReflinked: storage.counts.reflinkedFiles,
              filesCopied: storage.counts.copiedFiles,
              reflinkedBytes: storage.counts.reflinkedBytes,
              copiedBytes: storage.counts.copiedBytes,
            },
      ostree:
        ostree === undefined
          ? null
          : {
              isPresent: made === undefined,
              filesReflinked: made?.filesReflinked ?? 0,
              filesCopied: made?.external.copiedFiles ?? 0,
              filesWritten: made?.filesWritten ?? 0,
              objectsPresent: made?.objectsPresent ?? 0,
              metadataWritten: made?.metadataWritten ?? 0,
            },
    },
    ms: done.ms,
  };
}
