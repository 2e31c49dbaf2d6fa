import type { ObjectId } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import { inTurns, type OperationOptions, STEP_ITEMS, type Steps } from '#base/flow';
import { type FinishOptions, LayerStack } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import { readTarEntries, type StoredTarEntry } from '#formats/tar';
import { encodeDumpfile, type Reading, type Tree, type XattrMode } from '#formats/tree';
import type { ErofsVersion, Repository } from '#stores/composefs';
import { identifyTree, publishTree } from '#work/encode';
import { storeConfig, storeManifest } from './documents.ts';
import { configStreamName, imageSlot, manifestStreamName } from './names.ts';
import { type OciImage, openOciImage } from './open.ts';
import { expandSparse } from './sparse.ts';

/** Options for building the tree of an image. */
export interface BuildOptions extends OperationOptions {
  /** Extended attributes to keep; `allowlist-only` as upstream. `all` gives images that other tools do not build. */
  readonly xattrs?: XattrMode | 'all' | undefined;
  /** Default: the reading of the existing EROFS images, or `standard`. */
  readonly reading?: Reading | undefined;
  /** Largest number of entries of the image. */
  readonly entriesMax?: number | undefined;
}

/** Image ids by slot of the config stream. */
export type ImageIds = ReadonlyMap<string, ObjectId>;

/** Progress component of building images. */
const BUILD_ID = 'image';

function xattrChoice({ xattrs }: BuildOptions): FinishOptions {
  return xattrs === undefined ? {} : { xattrs };
}

/**
 * Merges the layers of a stored image, read from their streams, into the tree of its EROFS images.
 * @throws as `LayerStack.apply`, `readTarEntries` and opening streams; UnsupportedError IMAGE_NOT_BUILDABLE for an artifact; the signal's
 * reason
 */
export async function buildTree(
  repository: Repository,
  image: OciImage,
  options: BuildOptions = {},
): Promise<Tree> {
  const stack = await inTurns(stackLayers(repository, image, options), options);
  return await inTurns(stack.finishImageInSteps(xattrChoice(options)), options);
}

function* stackLayers(
  repository: Repository,
  image: OciImage,
  options: BuildOptions,
): Steps<LayerStack> {
  requireContainer(image);
  const reading = options.reading ?? (image.images.size > 0 ? image.reading : 'standard');
  const stack = new LayerStack({ reading, entriesMax: options.entriesMax });
  for (const layer of image.layers) {
    stack.beginLayer(layer.diffId ?? layer.digest);
    let entries = 0;
    for (const { entry, content } of readLayer(repository, layer.id, reading)) {
      if (entries % STEP_ITEMS === 0) yield;
      entries += 1;
      stack.apply(entry, content);
    }
  }
  return stack;
}

/** The entries of a stored layer, in order; sparse files are expanded, as in a filesystem. */
export function* readLayer(
  repository: Repository,
  id: ObjectId,
  reading?: Reading,
): Generator<StoredTarEntry> {
  using opened = repository.streams.open({ id }, { contentType: CONTENT_TYPES.ociLayer });
  for (const stored of readTarEntries(opened.stream.parts(), reading)) {
    if (stored.entry.sparse === undefined) yield stored;
    else yield { entry: stored.entry, content: expandSparse(repository, stored) };
  }
}

/**
 * Computes the id of the EROFS image of a stored image in this version, and stores nothing.
 * @throws as `openOciImage` and `buildTree`
 */
export async function computeImageId(
  repository: Repository,
  name: string,
  options: BuildOptions & { readonly version?: ErofsVersion | undefined } = {},
): Promise<ObjectId> {
  const tree = await buildTree(repository, openOciImage(repository, name), options);
  const version = options.version ?? repository.formats.default;
  return await identifyTree(repository, tree, version, options);
}

/** The tree of a stored image as a dumpfile. @throws as `openOciImage` and `buildTree` */
export async function dumpImage(
  repository: Repository,
  name: string,
  options: BuildOptions = {},
): Promise<Uint8Array> {
  return encodeDumpfile(await buildTree(repository, openOciImage(repository, name), options));
}

/** Encodes a tree in every version of the repository and stores the images; returns their ids. Nothing is synced. */
export async function encodeImages(
  repository: Repository,
  tree: Tree,
  options: OperationOptions = {},
): Promise<ImageIds> {
  const { versions } = repository;
  options.onProgress?.({ type: 'started', id: BUILD_ID, unit: 'items', total: versions.length });
  const images = new Map<string, ObjectId>();
  for (const version of versions) {
    const id = await publishTree(repository, tree, version, options);
    // The default version comes first, and versions 0 and 1 share a slot: the default one keeps it.
    if (!images.has(imageSlot(version))) images.set(imageSlot(version), id);
    options.onProgress?.({ type: 'advanced', id: BUILD_ID, done: images.size });
  }
  options.onProgress?.({ type: 'done', id: BUILD_ID, transferred: versions.length });
  return images;
}

/** What `buildImage` did. */
export interface BuiltImage {
  /** Images of the configured versions by slot. */
  readonly images: ImageIds;
  /** False if all of them already existed. */
  readonly built: boolean;
}

/**
 * Ensures that a stored image has an EROFS image in every configured version, with a reference from its config. The JSON of config and
 * manifest is unchanged; only their streams change, first that of the config. With `force`, existing images are rebuilt.
 * @throws as `openOciImage`, `buildTree`; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function buildImage(
  repository: Repository,
  name: string,
  options: BuildOptions & { readonly force?: boolean | undefined } = {},
): Promise<BuiltImage> {
  const image = openOciImage(repository, name);
  const present = options.force === true ? undefined : presentImages(repository, image);
  if (present !== undefined) return { images: present, built: false };
  const stack = await inTurns(stackLayers(repository, image, options), options);
  const reading = stack.differences.count > 0 ? 'standard' : 'cfsctl';
  const tree = await inTurns(stack.finishImageInSteps(xattrChoice(options)), options);
  const images = await encodeImages(repository, tree, options);
  options.signal?.throwIfAborted();
  const all = new Map([...image.images, ...images]);
  await relinkImage(repository, { ...image, reading }, all);
  return { images, built: true };
}

/** The images of the configured versions, if all of them exist and the config refers to them. */
export function presentImages(repository: Repository, image: OciImage): ImageIds | undefined {
  const images = new Map<string, ObjectId>();
  for (const version of repository.versions) {
    const slot = imageSlot(version);
    const id = image.images.get(slot);
    if (id === undefined || !repository.objects.has(id) || !repository.images.has(id)) {
      return undefined;
    }
    images.set(slot, id);
  }
  return images;
}

/** Writes new config and manifest streams that refer to these EROFS images. Tags point to names and remain valid. */
export async function relinkImage(
  repository: Repository,
  image: OciImage,
  images: ImageIds,
): Promise<void> {
  const layers = image.layers.map(({ diffId, digest, id }) => [diffId ?? digest, id] as const);
  const configDigest = image.manifest.config.digest;
  const configId = await storeConfig(repository, image.configBytes, { layers, images });
  const manifestId = await storeManifest(repository, image.manifest.bytes, {
    config: [configDigest, configId],
    layers,
    blobs: image.blobs,
    reading: images.size > 0 ? image.reading : undefined,
  });
  repository.streams.register(configStreamName(configDigest), configId);
  repository.streams.register(manifestStreamName(image.manifestDigest), manifestId);
}

/** @throws UnsupportedError IMAGE_NOT_BUILDABLE for an artifact, which has no files */
export function requireContainer(image: OciImage): void {
  if (image.config !== undefined) return;
  throw new UnsupportedError(
    'IMAGE_NOT_BUILDABLE',
    `Cannot build a filesystem from ${image.manifestDigest}: expected a container image, found an artifact`,
    { image: image.manifestDigest, configType: image.manifest.config.mediaType },
  );
}
