import * as v from 'valibot';
import type { ContentDigest } from '#base/digest';
import { UsageError } from '#base/errors';
import { findWhole } from '#work/catalog';
import { pushImage, pushIndex } from '#work/export';
import {
  listMountSources,
  listStoredReferrers,
  manifestsBelow,
  type OciImage,
  openOciImage,
} from '#work/image';
import type { Repository } from '#work/repository';
import { findOfPlatform } from './files.ts';
import { imageCopyFacts } from './image-copy-report.ts';
import { registryKeys, registryOptions } from './registry-keys.ts';
import { parseRegistryReference } from './registry-reference.ts';
import { openSelected } from './repository.ts';
import { count, flag, list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

const compression = v.optional(v.picklist(['none', 'gzip', 'zstd']));
const request = v.strictObject({
  name: text,
  /** `docker://HOST/NAME[:TAG]`. */
  target: text,
  /** Of an index that was pulled with all platforms: only this image. */
  platform: maybeText,
  /** Compression of layers whose blob is neither stored nor in the registry. */
  compression,
  /** Compress all layers with this method, if they are compressed otherwise. */
  forceCompression: v.optional(v.picklist(['none', 'gzip', 'zstd', 'zstd:chunked'])),
  /** Refuse a push that changes the digest of the manifest. */
  sameDigest: flag,
  /** Also push the stored artifacts that refer to the image; they would not fit another digest. */
  withReferrers: flag,
  ...registryKeys,
});
/** What a push is asked for. */
export type PushRequest = v.InferOutput<typeof request>;

const plannedFacts = {
  dryRun: v.literal(true),
  name: text,
  target: text,
  manifestDigest: text,
  layers: list(
    v.object({
      digest: text,
      sizeBytes: count,
      /** True when the blob is stored. Otherwise the registry must have it, or it is compressed again. */
      kept: v.boolean(),
    }),
  ),
};
const pushedFacts = {
  dryRun: v.literal(false),
  name: text,
  target: text,
  tag: v.nullable(text),
  ...imageCopyFacts(['present', 'mounted', 'uploaded', 'repacked']),
  /** Artifacts that were pushed because they refer to the image, or to one of them. */
  referrers: list(text),
  /** Bytes of the blobs that were sent. */
  sentBytes: count,
};
/** Parts of reports: what would be pushed, and what was. */
export const pushReports = { planned: plannedFacts, pushed: pushedFacts };
const report = v.union([v.object(plannedFacts), v.object(pushedFacts)]);
export type PushReport = v.InferOutput<typeof report>;

/** `push`: sends an image to a registry, except blobs that the registry has. */
export const push = defineVerb({
  request,
  report,
  examples: [
    {
      request: { name: 'app', target: 'docker://localhost:5000/ns/copy:v1' },
      says: 'Push an image into a registry',
    },
  ],
  plan: planPush,
  run: runPush,
});

/** What a push would send. */
export async function planPush(context: VerbContext, asked: PushRequest) {
  targetOf(asked);
  using repository = await openSelected(context);
  const { name, target } = asked;
  const pushed = imageOf(repository, asked);
  const rows = pushed.images.flatMap(({ layers, manifest, blobs }) =>
    layers.map(({ digest, diffId }, at) => ({
      digest,
      sizeBytes: manifest.layers[at]?.sizeBytes ?? 0,
      kept: blobs.has(digest) || (diffId ?? digest) === (digest as string),
    })),
  );
  const isIndex = pushed.below !== undefined;
  const layers = isIndex ? [...new Map(rows.map((row) => [row.digest, row])).values()] : rows;
  return { dryRun: true as const, name, target, manifestDigest: pushed.digest, layers };
}

/** Pushes. */
export async function runPush(context: VerbContext, asked: PushRequest) {
  const reference = targetOf(asked);
  using repository = await openSelected(context);
  const { digest, below } = imageOf(repository, asked);
  // Loaded on demand: a registry client takes time to load, which other verbs do not need.
  const { openRegistryPlace } = await import('#work/registry-image');
  await using place = await openRegistryPlace(reference, registryOptions(asked));
  for (const warning of place.warnings) context.warn(warning);
  const { signal, onProgress } = context;
  const subjects = [...(below ?? []), digest];
  const referrers = asked.withReferrers === true ? referrersBelow(repository, subjects) : [];
  const common = { signal, onProgress };
  const isFixed = asked.sameDigest === true || asked.withReferrers === true;
  // Before the image gets its name: nobody sees it without its signatures.
  const sent = [];
  for (const one of referrers) {
    const options = { ...common, sameDigest: true };
    sent.push(await pushImage(repository, `@${one}`, place.repository, options));
  }
  const { tag } = reference;
  const how = { ...common, tag, mountFrom: listMountSources(repository, reference, digest) };
  const { compression, forceCompression } = asked;
  const done =
    below === undefined
      ? await pushImage(repository, `@${digest}`, place.repository, {
          ...how,
          compression,
          forceCompression,
          onWarning: context.warn,
          sameDigest: isFixed,
        })
      : await pushIndex(repository, digest, place.repository, how);
  const { name, target } = asked;
  const layers = done.layers.map(({ annotations: _, ...layer }) => ({
    ...layer,
    diffId: orNull(layer.diffId),
  }));
  const sentBytes = sent.reduce((sum, one) => sum + one.sentBytes, done.sentBytes);
  const ids = { configDigest: orNull(done.configDigest), manifests: [...done.manifests] };
  const rest = { tag: orNull(done.tag), ...ids, layers, referrers: [...referrers], sentBytes };
  return { dryRun: false as const, name, target, ...done, ...rest };
}

/** Stored artifacts that refer to one of the subjects, what refers to those first. */
function referrersBelow(
  repository: Repository,
  subjects: readonly ContentDigest[],
): Set<ContentDigest> {
  const found = new Set<ContentDigest>();
  const visit = (digest: ContentDigest) => {
    for (const one of listStoredReferrers(repository, digest)) {
      if (found.has(one)) continue;
      visit(one);
      found.add(one);
    }
  };
  for (const subject of subjects) visit(subject);
  return found;
}

/** The target of a push. A digest is refused, because the image already has one. @throws UsageError */
function targetOf({ name, target }: PushRequest) {
  const reference = parseRegistryReference(target);
  if (reference.digest === undefined) return reference;
  throw new UsageError(`Cannot push "${name}" to "${target}": expected a tag, found a digest`);
}

/** What is pushed. */
interface Pushed {
  readonly digest: ContentDigest;
  /** The image, or all images of an index. */
  readonly images: readonly OciImage[];
  /** Everything below an index. */
  readonly below: readonly ContentDigest[] | undefined;
}

/** @throws UsageError if it is not a container image or index; as `findWhole`, `openOciImage` */
function imageOf(repository: Repository, asked: PushRequest): Pushed {
  const { name, target, platform } = asked;
  const whole = findWhole(repository, name);
  if (whole.kind === 'index' && platform === undefined) {
    refuseKeys(asked, ['compression', 'forceCompression'], `push the index "${name}"`);
    const below = manifestsBelow(repository, whole.indexDigest);
    const images = below
      .filter(({ kind }) => kind === 'manifest')
      .map(({ digest }) => openOciImage(repository, `@${digest}`));
    return { digest: whole.indexDigest, images, below: below.map(({ digest }) => digest) };
  }
  const named = findOfPlatform(repository, name, platform);
  if (named.kind === 'image') {
    const image = openOciImage(repository, `@${named.manifestDigest}`);
    return { digest: image.manifestDigest, images: [image], below: undefined };
  }
  throw new UsageError(
    `Cannot push "${name}" to "${target}": expected a container image, found a ${named.kind}`,
  );
}
