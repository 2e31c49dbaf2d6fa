import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { ConflictError, IntegrityError } from '#base/errors';
import { CONTENT_TYPES } from '#formats/splitstream';
import { syncfs } from '#host';
import type { ImportMode, Repository } from '#stores/composefs';
import { readStream } from '#work/dump';
import { layerStreamName, type OciImage, storeDocument } from '#work/image';
import { importTar } from '#work/ingest';
import { type NamedImage, nameImage } from './name-image.ts';

/** How to copy. */
export interface CopyStoredOptions {
  /** Tag to give the image; without one the next garbage collection removes it. */
  readonly name?: string | undefined;
  /** How objects come across between repositories of one algorithm. `copy` is the only way between two. */
  readonly mode?: ImportMode | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies an image with its layers into a repository and builds its EROFS images there. Layers that are there are kept. Layers, config and
 * manifest get their names when all their bytes are there; the tag comes last.
 * @throws ConflictError ALGORITHM_MISMATCH when `mode` shares and the algorithms differ; IntegrityError OBJECT_DIGEST_MISMATCH for a damaged
 *   object of the source; UnsupportedError IMPORT_WOULD_COPY; HostError SYSCALL_FAILED, NO_SPACE; the reason of the signal
 */
export async function copyStoredImage(
  source: Repository,
  image: OciImage,
  target: Repository,
  options: CopyStoredOptions = {},
): Promise<NamedImage> {
  target.ensureWritable();
  const { mode = 'auto', name, signal } = options;
  requireOneAlgorithm(source, target, mode);
  const { manifest } = image;
  const layers: (readonly [string, ObjectId])[] = [];
  const seen = new Set<string>();
  for (const layer of image.layers) {
    const key = layer.diffId ?? layer.digest;
    if (seen.has(key)) continue;
    seen.add(key);
    signal?.throwIfAborted();
    layers.push([key, await copyLayer(source, layer, target, { mode, signal })]);
  }
  const documents = {
    manifest,
    manifestBytes: image.manifestBytes,
    configBytes: image.configBytes,
  };
  const isArtifact = image.config === undefined;
  return await nameImage(target, { ...documents, layers, isArtifact }, { name, signal });
}

function requireOneAlgorithm(source: Repository, target: Repository, mode: ImportMode): void {
  if (source.algorithm === target.algorithm || mode === 'auto' || mode === 'copy') return;
  throw new ConflictError(
    'ALGORITHM_MISMATCH',
    `Cannot share objects: the source uses ${source.algorithm}, the target ${target.algorithm}`,
    { expected: target.algorithm, found: source.algorithm },
  );
}

/** Copies one layer; returns its stream there. */
async function copyLayer(
  source: Repository,
  layer: {
    readonly digest: ContentDigest;
    readonly diffId: DiffId | undefined;
    readonly id: ObjectId;
  },
  target: Repository,
  options: { readonly mode: ImportMode; readonly signal: AbortSignal | undefined },
): Promise<ObjectId> {
  const name = layerStreamName(layer.diffId ?? layer.digest);
  const present = target.streams.idOf(name);
  if (present !== undefined && target.objects.has(present)) return present;
  if (source.algorithm === target.algorithm) {
    return shareStream(source, layer.id, target, { name, mode: options.mode });
  }
  const { diffId, id } = layer;
  if (diffId !== undefined) {
    const pieces = readStream(source, { id });
    const { signal } = options;
    return await importTar(target, asyncOf(pieces), { diffId, reading: 'cfsctl', signal });
  }
  return await copyBlob(source, layer, target, name);
}

/** Takes over a stream with all its objects under the same ids. */
function shareStream(
  source: Repository,
  id: ObjectId,
  target: Repository,
  { name, mode }: { readonly name: string; readonly mode: ImportMode },
): ObjectId {
  using opened = source.streams.open({ id });
  for (const object of new Set(opened.stream.objectRefs)) shareObject(source, object, target, mode);
  shareObject(source, id, target, mode);
  syncfs(target.root);
  target.streams.register(name, id);
  return id;
}

function shareObject(source: Repository, id: ObjectId, target: Repository, mode: ImportMode): void {
  if (target.objects.has(id)) return;
  using object = source.objects.open(id);
  const imported = target.objects.importFile(object, object.sizeBytes, mode);
  if (imported.id === id) return;
  throw new IntegrityError(
    'OBJECT_DIGEST_MISMATCH',
    `Cannot copy object ${id}: its content has the digest ${imported.id}`,
    { expected: id, found: imported.id },
    { hint: 'Heal the source first: onecopy fsck --repair' },
  );
}

/** A blob of an artifact: one object, and a stream of nothing else. */
async function copyBlob(
  source: Repository,
  { id }: { readonly id: ObjectId },
  target: Repository,
  name: string,
): Promise<ObjectId> {
  const staged = target.objects.stage();
  let sizeBytes = 0;
  for (const piece of readStream(source, { id })) {
    staged.write(piece);
    sizeBytes += piece.length;
  }
  const content = { id: staged.publish().id, sizeBytes };
  const streamId = await storeDocument(target, content, CONTENT_TYPES.ociBlob);
  syncfs(target.root);
  target.streams.register(name, streamId);
  return streamId;
}

async function* asyncOf(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
