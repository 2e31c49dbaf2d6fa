import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { findNamed } from '#work/catalog';
import { pushImage } from '#work/export';
import { openOciImage } from '#work/image';
import type { Repository } from '#work/repository';
import { registryKeys, registryOptions } from './registry-keys.ts';
import { parseRegistryReference } from './registry-reference.ts';
import { openSelected } from './repository.ts';
import { count, flag, list, orNull, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

/** Most repositories of a registry that are asked for a blob. */
const MOUNTS_MAX = 4;

const compression = v.optional(v.picklist(['none', 'gzip', 'zstd']));
const request = v.strictObject({
  name: text,
  /** `docker://HOST/NAME[:TAG]`. */
  target: text,
  /** How layers are packed of which the blob is neither kept nor in the registry. */
  compression,
  /** Pack all layers like this that are packed otherwise. */
  forceCompression: compression,
  /** Refuse to push under another digest. */
  sameDigest: flag,
  ...registryKeys,
});
type PushRequest = v.InferOutput<typeof request>;

const planned = v.object({
  dryRun: v.literal(true),
  name: text,
  target: text,
  manifestDigest: text,
  layers: list(
    v.object({
      digest: text,
      sizeBytes: count,
      /** The blob can be sent as it was pulled; else it is looked for in the registry, or compressed anew. */
      kept: v.boolean(),
    }),
  ),
});
const pushed = v.object({
  dryRun: v.literal(false),
  name: text,
  target: text,
  tag: v.nullable(text),
  manifestDigest: text,
  originalManifestDigest: text,
  /** True when the manifest is the one that was pulled. */
  identical: v.boolean(),
  configDigest: text,
  layers: list(
    v.object({
      digest: text,
      originalDigest: text,
      diffId: v.nullable(text),
      sizeBytes: count,
      mediaType: text,
      method: v.picklist(['present', 'mounted', 'uploaded', 'repacked']),
    }),
  ),
  /** Bytes of the blobs that were sent. */
  sentBytes: count,
});
const report = v.union([planned, pushed]);
export type PushReport = v.InferOutput<typeof report>;

/** `push`: sends an image into a registry; what that has is not sent. */
export const push = defineVerb({
  request,
  report,
  examples: [
    {
      request: { name: 'app', target: 'docker://localhost:5000/ns/copy:v1' },
      says: 'Push an image into a registry',
    },
  ],
  async plan(context, asked) {
    targetOf(asked);
    using repository = await openSelected(context);
    const { manifestDigest, layers, manifest, blobs } = imageOf(repository, asked);
    const { name, target } = asked;
    return {
      dryRun: true as const,
      name,
      target,
      manifestDigest,
      layers: layers.map(({ digest, diffId }, at) => ({
        digest,
        sizeBytes: manifest.layers[at]?.sizeBytes ?? 0,
        kept: blobs.has(digest) || (diffId ?? digest) === (digest as string),
      })),
    };
  },
  async run(context, asked) {
    const reference = targetOf(asked);
    using repository = await openSelected(context);
    const { manifestDigest } = imageOf(repository, asked);
    // Loaded only here: a registry client costs every other verb its start-up time.
    const { openRegistryPlace } = await import('#work/registry-image');
    await using place = await openRegistryPlace(reference, registryOptions(asked));
    for (const warning of place.warnings) context.warn(warning);
    const { signal, onProgress } = context;
    const done = await pushImage(repository, `@${manifestDigest}`, place.repository, {
      signal,
      onProgress,
      tag: reference.tag,
      compression: asked.compression,
      forceCompression: asked.forceCompression,
      sameDigest: asked.sameDigest,
      mountFrom: siblingsOf(repository, reference, manifestDigest),
    });
    const { name, target } = asked;
    const layers = done.layers.map((layer) => ({ ...layer, diffId: orNull(layer.diffId) }));
    return { dryRun: false as const, name, target, ...done, tag: orNull(done.tag), layers };
  },
});

/** Where to push. A digest is what an image has, not what it is given. @throws UsageError */
function targetOf({ name, target }: PushRequest) {
  const reference = parseRegistryReference(target);
  if (reference.digest === undefined) return reference;
  throw new UsageError(`Cannot push "${name}" to "${target}": expected a tag, found a digest`);
}

/** @throws UsageError for what is no container image; as `findNamed`, `openOciImage` */
function imageOf(repository: Repository, { name, target }: PushRequest) {
  const named = findNamed(repository, name);
  if (named.kind === 'image') return openOciImage(repository, `@${named.manifestDigest}`);
  throw new UsageError(
    `Cannot push "${name}" to "${target}": expected a container image, found a ${named.kind}`,
  );
}

/** Other repositories of the same registry from which this image was pulled, by its names. */
function siblingsOf(
  repository: Repository,
  target: { readonly registry: string; readonly repository: string },
  manifestDigest: string,
): readonly string[] {
  const prefix = `${target.registry}/`;
  const names = repository.tags
    .list()
    .filter((tag) => tag.manifestDigest === manifestDigest && tag.name.startsWith(prefix))
    .map((tag) => tag.name.slice(prefix.length).replace(/(?:@|:[^/:]*$).*$/, ''));
  return [...new Set(names)].filter((name) => name !== target.repository).slice(0, MOUNTS_MAX);
}
