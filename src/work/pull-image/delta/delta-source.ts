import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ContentDigest } from '#base/digest';
import { FormatError, isOnecopyError, NotFoundError } from '#base/errors';
import {
  CONFIG_MAX_BYTES,
  type Descriptor,
  type ImageDelta,
  imageOf,
  MANIFEST_MAX_BYTES,
  type Manifest,
  parseImageDelta,
  parseLayerType,
  parseManifest,
  type ResolvedImage,
  requireDocumentSize,
  TAR_DIFF_TYPE,
} from '#formats/oci';
import { applyTarDiff, type OldFiles } from '#formats/tar-diff';
import { inflateZstd } from '#formats/zstd';
import type { Repository } from '#stores/composefs';
import { BlobReader } from '#work/ingest';
import { contentOf } from '../resume.ts';
import type { PullSource } from '../source.ts';
import { openBaseFiles } from './base-files.ts';

/** The image that a delta makes, and the tars of its layers. */
export interface AppliedDelta {
  readonly image: ResolvedImage;
  /** Digest of the manifest of the delta itself. */
  readonly digest: ContentDigest;
  /** The blob of the delta for a layer of the image; undefined where the layer is to be here. */
  blobOf(layer: ContentDigest): Descriptor | undefined;
  /** The tar of a layer, by its place in the manifest; its diff id is verified where it is imported. */
  openTar(position: number): AsyncIterable<Uint8Array>;
}

/**
 * Reads the manifest and the config of the image that a delta makes. The image that the delta starts from must be stored; its layers are
 * read when tars are opened.
 * @throws FormatError IMAGE_DELTA_INVALID, OCI_DOCUMENT_INVALID; NotFoundError IMAGE_DELTA_BASE_MISSING; as the source
 */
export async function openDelta(
  repository: Repository,
  source: PullSource,
  manifest: Manifest,
): Promise<AppliedDelta> {
  const delta = parseImageDelta(manifest);
  const bytes = await readBlob(source, delta.manifest, MANIFEST_MAX_BYTES);
  const target = parseManifest(bytes, delta.manifest.mediaType);
  if (target.kind !== 'manifest' || target.config.digest !== delta.config.digest) {
    throw invalid(manifest, 'its manifest and its config do not belong together');
  }
  const image = imageOf(target, await readBlob(source, delta.config, CONFIG_MAX_BYTES));
  if (image.config === undefined) throw invalid(manifest, 'the new image has no file system');
  const wanted = new Set(target.layers.map(({ digest }) => digest));
  const stray = [...delta.layers.keys()].find((digest) => !wanted.has(digest));
  if (stray !== undefined) throw invalid(manifest, `the new image has no layer ${stray}`);
  const files = openBaseFiles(repository, delta.sourceConfig);
  return {
    image,
    digest: manifest.digest,
    blobOf: (layer) => delta.layers.get(layer),
    openTar: (position) => tarOf(source, delta, files, target.layers[position] as Descriptor),
  };
}

async function* tarOf(
  source: PullSource,
  delta: ImageDelta,
  files: OldFiles,
  { digest }: Descriptor,
): AsyncGenerator<Uint8Array> {
  const descriptor = delta.layers.get(digest);
  if (descriptor === undefined) throw missingLayer(digest);
  const blob = await openBlob(source, descriptor);
  try {
    yield* inflate(blob.pieces(), descriptor.mediaType, files);
  } catch (error) {
    // Damage of the blob explains what it makes.
    await blob.verify();
    throw isOnecopyError(error) ? error : notInflated(descriptor.digest, error);
  }
  await blob.verify();
}

function notInflated(digest: ContentDigest, cause: unknown): FormatError {
  const what = `blob ${digest}`;
  const reason = 'it does not inflate';
  return new FormatError(
    'LAYER_DIFF_INVALID',
    `Cannot apply the tar-diff in ${what}: ${reason}`,
    { offset: 0, what, reason },
    { cause },
  );
}

/** The tar in a blob: what a tar-diff makes of the files, or what was compressed. */
function inflate(
  pieces: AsyncGenerator<Uint8Array>,
  mediaType: string,
  files: OldFiles,
): AsyncIterable<Uint8Array> {
  if (mediaType === TAR_DIFF_TYPE) return applyTarDiff(pieces, files);
  const type = parseLayerType(mediaType);
  if (type?.compression === 'zstd') return inflateZstd(pieces);
  if (type?.compression === 'gzip') {
    // A piece is overwritten by the next one, and the stream reads ahead.
    const copied = async function* () {
      for await (const piece of pieces) yield piece.slice();
    };
    return pipeline(copied, createGunzip(), () => {});
  }
  return pieces;
}

async function openBlob(source: PullSource, descriptor: Descriptor): Promise<BlobReader> {
  const { digest, sizeBytes } = descriptor;
  return new BlobReader(contentOf(await source.openBlob(digest, sizeBytes)), descriptor);
}

async function readBlob(
  source: PullSource,
  descriptor: Descriptor,
  limitBytes: number,
): Promise<Uint8Array> {
  requireDocumentSize(descriptor.sizeBytes, 'document of a delta', limitBytes);
  const blob = await openBlob(source, descriptor);
  const pieces: Uint8Array[] = [];
  for await (const piece of blob.pieces()) pieces.push(piece.slice());
  await blob.verify();
  return Buffer.concat(pieces);
}

function missingLayer(layer: ContentDigest): NotFoundError {
  return new NotFoundError(
    'IMAGE_DELTA_BASE_MISSING',
    `Cannot apply the delta: layer ${layer} is neither in it nor in the repository`,
    { config: layer },
    { hint: 'Pull the new image without a delta' },
  );
}

function invalid({ digest }: Manifest, reason: string): FormatError {
  return new FormatError('IMAGE_DELTA_INVALID', `Cannot apply the delta ${digest}: ${reason}`, {
    offset: 0,
    what: `delta ${digest}`,
  });
}
