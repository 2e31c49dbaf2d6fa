import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { findNamed } from '#work/catalog';
import { openStored } from '#work/commits';
import { type OciImage, openOciImage } from '#work/image';
import type { Repository } from '#work/repository';
import { commitOf, commitSchema } from './commit-summary.ts';
import { openSelected } from './repository.ts';
import { count, flag, list, orNull, text } from './schemas.ts';
import { defineVerb, refuseKeys } from './verb.ts';

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
  streams: v.object({ manifest: text, config: text }),
  layers: list(
    v.object({
      digest: text,
      diffId: v.nullable(text),
      streamId: text,
      mediaType: v.nullable(text),
      sizeBytes: v.nullable(count),
      blobKept: v.boolean(),
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
const report = v.variant('kind', [imageReport, commitReport, erofsReport]);
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
});
export type InspectRequest = v.InferOutput<typeof request>;

/** `inspect`: shows the manifest and config of an image, or the object of a commit. */
export const inspect = defineVerb({
  request,
  report,
  examples: [
    { request: { name: 'app' }, says: 'Show manifest, config and ids of an image' },
    { request: { name: 'app', raw: true }, says: 'Print the stored manifest, byte for byte' },
    { request: { name: 'os' }, says: 'Show the commit object of a commit' },
  ],
  async run(context, asked) {
    if (asked.manifest === true && asked.config === true) {
      throw new UsageError('Cannot print both: expected one of --manifest and --config');
    }
    if (asked.raw === true && asked.metadata === true) {
      throw new UsageError('Cannot print both: expected one of --raw and --metadata');
    }
    using repository = await openSelected(context);
    const named = findNamed(repository, asked.name);
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
    if (asked.config === true) await context.write(image.configBytes);
    else if (asked.manifest === true || asked.raw === true)
      await context.write(image.manifest.bytes);
    return inspectImage(asked.name, image);
  },
  givesContents: ({ raw, manifest, config }) => [raw, manifest, config].includes(true),
});

function inspectImage(name: string, image: OciImage): v.InferOutput<typeof imageReport> {
  return {
    name,
    kind: image.config === undefined ? 'artifact' : 'image',
    manifestDigest: image.manifestDigest,
    configDigest: image.manifest.config.digest,
    manifest: jsonOf(image.manifest.bytes),
    config: image.config === undefined ? jsonOrNull(image.configBytes) : jsonOf(image.configBytes),
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
