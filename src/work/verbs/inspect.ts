import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { findWhole } from '#work/catalog';
import { openStored } from '#work/commits';
import {
  manifestsBelow,
  type OciImage,
  openOciImage,
  openStoredIndex,
  type StoredIndex,
} from '#work/image';
import { formatPlatform, type ResolvedImage } from '#work/pull-image';
import type { Repository } from '#work/repository';
import { readAcceptance } from '#work/trust';
import { commitOf, commitSchema } from './commit-summary.ts';
import { findOfPlatform, isReference, resolveReference } from './files.ts';
import { registryKeys } from './registry-keys.ts';
import { openSelected } from './repository.ts';
import { count, flag, list, maybeText, orNull, text } from './schemas.ts';
import { trustReport } from './trust-report.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

const imageReport = v.object({
  name: text,
  kind: v.picklist(['image', 'artifact']),
  manifestDigest: text,
  configDigest: text,
  /** The stored documents. */
  manifest: v.unknown(),
  config: v.unknown(),
  /** EROFS images by their slot in the config stream. */
  imageIds: v.record(text, text),
  /** Reading of the layers for the EROFS images; null when there is no EROFS image. */
  reading: v.nullable(v.picklist(['standard', 'cfsctl'])),
  /** Null for an image that lies elsewhere. */
  streams: v.nullable(v.object({ manifest: text, config: text })),
  layers: list(
    v.object({
      digest: text,
      diffId: v.nullable(text),
      /** Null for an image that lies elsewhere. */
      streamId: v.nullable(text),
      mediaType: v.nullable(text),
      sizeBytes: v.nullable(count),
      blobKept: v.boolean(),
    }),
  ),
  /** What accepted the image when it was pulled; null when that is not known. */
  trust: v.nullable(trustReport),
});
const indexReport = v.object({
  name: text,
  kind: v.literal('index'),
  indexDigest: text,
  mediaType: text,
  /** The stored index. */
  index: v.unknown(),
  stream: text,
  /** What it names; the manifests of nested indexes, too. */
  manifests: list(
    v.object({
      digest: text,
      kind: v.picklist(['manifest', 'index']),
      mediaType: text,
      platform: v.nullable(text),
      isAttestation: v.boolean(),
    }),
  ),
});
const commitReport = v.object({ name: text, kind: v.literal('commit'), ...commitSchema.entries });
const erofsReport = v.object({
  name: text,
  kind: v.literal('erofs'),
  imageId: text,
  sizeBytes: count,
  /** Names below `images/refs` that point to the image. */
  names: list(text),
});
const report = v.variant('kind', [imageReport, indexReport, commitReport, erofsReport]);
export type InspectReport = v.InferOutput<typeof report>;

const request = v.strictObject({
  name: text,
  /** Give the stored document byte for byte: the manifest or, with `config`, the config; of a commit, the commit object. */
  raw: flag,
  /** Give the stored manifest, byte for byte. */
  manifest: flag,
  /** Give the stored config, byte for byte. */
  config: flag,
  /** Only the metadata of a commit. */
  metadata: flag,
  platform: maybeText,
  ...registryKeys,
});
export type InspectRequest = v.InferOutput<typeof request>;

/** `inspect`: shows the manifest and config of an image, or the object of a commit. */
export const inspect = defineVerb({
  request,
  report,
  examples: [
    { request: { name: 'app' }, says: 'Show manifest, config and ids of an image' },
    { request: { name: 'app', raw: true }, says: 'Print the stored manifest, byte for byte' },
    {
      request: { name: 'oci:layout:latest' },
      says: 'Show an image of an OCI layout without pulling it',
    },
    { request: { name: 'os' }, says: 'Show the commit object of a commit' },
  ],
  async run(context, asked) {
    if (asked.manifest === true && asked.config === true) {
      throw new UsageError('Cannot print both: expected one of --manifest and --config');
    }
    if (asked.raw === true && asked.metadata === true) {
      throw new UsageError('Cannot print both: expected one of --raw and --metadata');
    }
    if (isReference(asked.name)) {
      refuseKeys(asked, ['metadata'], `inspect "${asked.name}"`);
      const found = await resolveReference(context, asked.name, asked);
      await writeDocument(context, asked, found.manifest.bytes, found.configBytes);
      return inspectElsewhere(asked.name, found);
    }
    refuseKeys(asked, Object.keys(registryKeys), `inspect "${asked.name}"`);
    using repository = await openSelected(context);
    const whole = findWhole(repository, asked.name);
    if (whole.kind === 'index' && asked.platform === undefined && asked.config !== true) {
      refuseKeys(asked, ['metadata'], `inspect "${asked.name}"`);
      const stored = openStoredIndex(repository, whole.indexDigest);
      const { bytes } = stored.index;
      await writeDocument(context, asked, bytes, bytes);
      return inspectIndex(repository, asked.name, stored);
    }
    const named = findOfPlatform(repository, asked.name, asked.platform);
    if (named.kind !== 'image')
      refuseKeys(asked, ['manifest', 'config'], `inspect "${asked.name}"`);
    if (named.kind !== 'commit') refuseKeys(asked, ['metadata'], `inspect "${asked.name}"`);
    if (named.kind === 'erofs') refuseKeys(asked, ['raw'], `inspect "${asked.name}"`);
    if (named.kind === 'erofs') return inspectErofs(repository, asked.name, named.imageId);
    if (named.kind === 'commit') {
      const stored = openStored(repository, named.commit);
      if (asked.raw === true) await context.write(stored.bytes);
      return { name: asked.name, kind: 'commit' as const, ...commitOf(stored) };
    }
    const image = openOciImage(repository, `@${named.manifestDigest}`);
    await writeDocument(context, asked, image.manifest.bytes, image.configBytes);
    const trust = v.safeParse(trustReport, readAcceptance(repository, image.manifestDigest));
    return { ...inspectImage(asked.name, image), trust: trust.success ? trust.output : null };
  },
  givesContents: ({ raw, manifest, config }) => [raw, manifest, config].includes(true),
});

/** Gives the document that the request wants byte for byte, if it does. */
async function writeDocument(
  { write }: VerbContext,
  { raw, manifest, config }: InspectRequest,
  manifestBytes: Uint8Array,
  configBytes: Uint8Array,
): Promise<void> {
  if (config === true) await write(configBytes);
  else if (manifest === true || raw === true) await write(manifestBytes);
}

/** What an image says of itself, wherever it lies. */
function documentsOf({ manifest, config, configBytes }: ResolvedImage) {
  return {
    kind: config === undefined ? ('artifact' as const) : ('image' as const),
    configDigest: manifest.config.digest,
    manifest: jsonOf(manifest.bytes),
    config: config === undefined ? jsonOrNull(configBytes) : jsonOf(configBytes),
  };
}

function inspectElsewhere(name: string, found: ResolvedImage): v.InferOutput<typeof imageReport> {
  const { manifest, config } = found;
  return {
    name,
    manifestDigest: manifest.digest,
    ...documentsOf(found),
    imageIds: {},
    reading: null,
    streams: null,
    layers: manifest.layers.map(({ digest, mediaType, sizeBytes }, index) => ({
      digest,
      diffId: orNull(config?.diffIds[index]),
      streamId: null,
      mediaType,
      sizeBytes,
      blobKept: false,
    })),
    trust: null,
  };
}

function inspectImage(name: string, image: OciImage) {
  return {
    name,
    manifestDigest: image.manifestDigest,
    ...documentsOf({ ...image, indexes: [], platform: undefined }),
    imageIds: Object.fromEntries(image.images),
    reading: image.images.size === 0 ? null : image.reading,
    streams: { manifest: image.manifestStreamId, config: image.configStreamId },
    layers: image.layers.map(({ digest, diffId, id }, index) => ({
      digest,
      diffId: orNull(diffId),
      streamId: id,
      mediaType: orNull(image.manifest.layers[index]?.mediaType),
      sizeBytes: orNull(image.manifest.layers[index]?.sizeBytes),
      blobKept: image.blobs.has(digest),
    })),
  };
}

function inspectIndex(
  repository: Repository,
  name: string,
  { indexDigest, index, streamId }: StoredIndex,
): v.InferOutput<typeof indexReport> {
  return {
    name,
    kind: 'index',
    indexDigest,
    mediaType: index.mediaType,
    index: jsonOf(index.bytes),
    stream: streamId,
    manifests: manifestsBelow(repository, indexDigest).map(({ platform, ...one }) => ({
      ...one,
      platform: platform === undefined ? null : formatPlatform(platform),
    })),
  };
}

function inspectErofs(repository: Repository, name: string, imageId: string) {
  const { id, bytes } = repository.images.read(imageId);
  return {
    name,
    kind: 'erofs' as const,
    imageId: id,
    sizeBytes: bytes.length,
    names: repository.images.list().find((entry) => entry.id === id)?.refs ?? [],
  };
}

function jsonOf(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString('utf8'));
}

/** The config of an artifact need not be JSON. */
function jsonOrNull(bytes: Uint8Array): unknown {
  try {
    return jsonOf(bytes);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
