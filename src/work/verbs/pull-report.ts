import * as v from 'valibot';
import type { DownloadReport, PullReport as ImageReport, PullPlan } from '#work/pull-image';
import { count, list, orNull, text } from './schemas.ts';
import { trustReport } from './trust-report.ts';

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
/** Digest that the name referred to before; null if it was free or stays as it was. */
export const replaced = v.nullable(text);
/** Report of a plan of an image. */
export const imagePlanReport = v.object({
  dryRun: v.literal(true),
  kind,
  /** What accepts the image. */
  trust,
  name: text,
  replaced,
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
  /** True when that is more than `maxBytes` of the request. */
  isOverBudget: v.boolean(),
  /** What the pull would add to the disk when it has added most. */
  disk: v.object({
    /** Files that are already stored are not subtracted. */
    peakBytes: count,
    /** True when the unpacked size of some layer is not known. */
    isGuess: v.boolean(),
    /** Null without a repository. */
    availableBytes: v.nullable(count),
  }),
  /** True when EROFS images would be built. */
  wouldBuild: v.boolean(),
});
/** What bringing a layer has cost. */
const costKeys = {
  route,
  reason: text,
  /** Bytes that came over a network, and of those what was of no use. */
  fetchedBytes: count,
  wastedBytes: count,
  /** Content of objects and of chunks of objects; bytes of the blob from an interrupted pull and from a file of this host. */
  reusedBytes: v.object({ objects: count, chunks: count, partial: count, file: count }),
  requests: count,
};
/** Of the whole pull, documents included; null for a source on this host. */
const traffic = v.nullable(v.object({ requests: count, bodyBytes: count, skippedBytes: count }));
/** Report of a pulled image. */
export const imagePullReport = v.object({
  downloadOnly: v.literal(false),
  dryRun: v.literal(false),
  kind,
  /** Artifacts that were pulled because they refer to the image, or to one of them. */
  referrers: v.optional(
    list(v.object({ digest: text, subject: text, artifactType: v.nullable(text) })),
  ),
  /** What accepted the image. */
  trust,
  name: v.nullable(text),
  replaced,
  manifestDigest: text,
  configDigest: text,
  manifestStreamId: text,
  firstManifestStreamId: text,
  firstConfigStreamId: text,
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
      ...costKeys,
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
  traffic,
  /** Wall time by phase, in milliseconds. */
  ms: v.object({
    resolve: v.number(),
    layers: v.number(),
    image: v.number(),
    publish: v.number(),
    total: v.number(),
  }),
});
/** Report of a downloaded image. */
export const imageDownloadReport = v.object({
  dryRun: v.literal(false),
  downloadOnly: v.literal(true),
  kind,
  trust,
  manifestDigest: text,
  configDigest: text,
  layers: list(v.object({ diffId: v.nullable(text), digest: text, sizeBytes: count, ...costKeys })),
  traffic,
});

/** What a name referred to before, unless it is what it refers to now. */
export function replacedBy(before: string | undefined, now: string): string | null {
  return before === undefined || before === now ? null : before;
}

/** The report of a plan. */
export function planReport(
  { layers, ...plan }: PullPlan,
  naming: Pick<v.InferOutput<typeof imagePlanReport>, 'name' | 'replaced' | 'wouldCreate'>,
): v.InferOutput<typeof imagePlanReport> {
  // `storedBytes` is input of the disk forecast, not part of the report.
  const rows = layers.map(({ storedBytes: _, ...layer }) => ({
    ...layer,
    diffId: orNull(layer.diffId),
  }));
  const { trust: accepted, disk, ...rest } = plan;
  return {
    dryRun: true,
    ...naming,
    ...rest,
    disk: { ...disk, availableBytes: orNull(disk.availableBytes) },
    trust: orNull(accepted),
    layers: rows,
  };
}

/** The report of a pull. */
export function pullReport(
  { layers, ...done }: ImageReport,
  before: string | undefined,
): v.InferOutput<typeof imagePullReport> {
  return {
    dryRun: false,
    downloadOnly: false,
    ...done,
    replaced: replacedBy(before, done.manifestDigest),
    name: orNull(done.name),
    trust: orNull(done.trust),
    imageId: orNull(done.imageId),
    reading: orNull(done.reading),
    differences: orNull(done.differences),
    traffic: orNull(done.traffic),
    layers: layers.map((layer) => ({ ...layer, diffId: orNull(layer.diffId) })),
  };
}

/** The report of a download. */
export function downloadReport({
  layers,
  ...done
}: DownloadReport): v.InferOutput<typeof imageDownloadReport> {
  return {
    dryRun: false,
    downloadOnly: true,
    ...done,
    trust: orNull(done.trust),
    traffic: orNull(done.traffic),
    layers: layers.map((layer) => ({ ...layer, diffId: orNull(layer.diffId) })),
  };
}
