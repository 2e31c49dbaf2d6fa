import { concatBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { UnsupportedError, UsageError } from '#base/errors';
import { gather, inTurns, type OperationOptions } from '#base/flow';
import { type ErofsVersion, readTreeInSteps } from '#formats/erofs';
import { type Tree, writeDumpfile } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { type ImageView, openImageView, viewImage } from '#work/browse';
import { ensureCommitImage, openStoredInSteps, treeOfOpened } from '#work/commits';
import { encodeTree, identifyTree } from '#work/encode';
import {
  buildImage,
  buildTree,
  type OciImage,
  openOciImage,
  presentImageId,
  type Reading,
  resolveImageId,
} from '#work/image';
import type { Named, NamedImage } from './named.ts';

/**
 * Opens the files of a name. A missing EROFS image of an image or a commit is built in memory, from layers or objects; nothing is stored.
 * @throws as `openImageView`, `openStored`, `buildTree`; UnsupportedError IMAGE_NOT_BUILDABLE if no files are stored
 */
export async function openNamedView(
  repository: Repository,
  named: Named,
  options: OperationOptions = {},
): Promise<ImageView> {
  const id = await storedImageId(repository, named, options);
  if (id !== undefined) return await openImageView(repository, id, options);
  const tree = await treeOfNamed(repository, named, {}, options);
  const encoded = await encodeTree(repository, tree, repository.formats.default, options);
  return viewImage(repository.objects, encoded.id, encoded.bytes);
}

/**
 * Builds the EROFS image of a name, if none of any version is stored.
 * @returns the image, and whether it was built now
 * @throws as `buildImage`, `ensureCommitImage`
 */
export async function ensureNamedImage(
  repository: Repository,
  named: Named,
  options: OperationOptions = {},
): Promise<{ readonly imageId: ObjectId; readonly built: boolean }> {
  const stored = await storedImageId(repository, named, options);
  if (stored !== undefined) return { imageId: stored, built: false };
  return await createNamedImage(repository, named, options);
}

/**
 * Builds the EROFS images of a name that are missing, in every version that the repository is configured for.
 * @returns the image in the default version, and whether any was built now
 * @throws as `buildImage`, `ensureCommitImage`
 */
export async function createNamedImage(
  repository: Repository,
  named: Named,
  options: OperationOptions = {},
): Promise<{ readonly imageId: ObjectId; readonly built: boolean }> {
  if (named.kind === 'erofs') return { imageId: named.imageId, built: false };
  if (named.kind === 'commit') {
    const { imageId, built } = await ensureCommitImage(repository, named.commit, options);
    return { imageId, built };
  }
  const name = `@${openWithFiles(repository, named).manifestDigest}`;
  const { built } = await buildImage(repository, name, options);
  return { imageId: resolveImageId(repository, name), built };
}

/** The EROFS image of a name, if it is stored. */
async function storedImageId(
  repository: Repository,
  named: Named,
  { signal }: OperationOptions,
): Promise<ObjectId | undefined> {
  if (named.kind === 'erofs') return named.imageId;
  if (named.kind === 'image') return presentImageId(repository, openWithFiles(repository, named));
  const { imageId: id } = await inTurns(openStoredInSteps(repository, named.commit), { signal });
  const isThere = id !== undefined && repository.images.has(id) && repository.objects.has(id);
  return isThere ? id : undefined;
}

/** Options for building the tree of an image. */
export interface TreeChoice {
  /** Reading of layers and commits (default: the reading of the stored image). */
  readonly reading?: Reading | undefined;
}

/**
 * The tree of the EROFS image of a name, built from layers, commit or image.
 * @throws as `buildTree`, `openStored`, `readTree`; UsageError for a choice that does not apply
 */
export async function treeOfNamed(
  repository: Repository,
  named: Named,
  { reading }: TreeChoice = {},
  { signal }: OperationOptions = {},
): Promise<Tree> {
  if (named.kind === 'commit') {
    const stored = await inTurns(openStoredInSteps(repository, named.commit), { signal });
    return await treeOfOpened(stored, { reading, signal });
  }
  if (named.kind === 'image') {
    const image = openWithFiles(repository, named);
    return await buildTree(repository, image, { reading, signal });
  }
  if (reading === undefined) {
    const { bytes } = repository.images.read(named.imageId);
    return await inTurns(readTreeInSteps(bytes), { signal });
  }
  throw new UsageError('Cannot build the tree: --compat does not apply to an EROFS image');
}

/** The tree of a name as a composefs dumpfile. @throws as `treeOfNamed` */
export async function dumpNamed(
  repository: Repository,
  named: Named,
  choice: TreeChoice = {},
  options: OperationOptions = {},
): Promise<Uint8Array> {
  const tree = await treeOfNamed(repository, named, choice, options);
  return concatBytes(await gather(writeDumpfile(tree), (piece) => piece, options));
}

/**
 * Computes the id of the EROFS image of a name in a version of the format; nothing is stored.
 * @throws as `treeOfNamed`
 */
export async function computeNamedId(
  repository: Repository,
  named: Named,
  { version, ...choice }: TreeChoice & { readonly version?: ErofsVersion | undefined } = {},
  options: OperationOptions = {},
): Promise<ObjectId> {
  const tree = await treeOfNamed(repository, named, choice, options);
  return await identifyTree(repository, tree, version ?? repository.formats.default, options);
}

/** An artifact has no files. */
function openWithFiles(repository: Repository, { manifestDigest: digest }: NamedImage): OciImage {
  const image = openOciImage(repository, `@${digest}`);
  if (image.config !== undefined) return image;
  const configType = image.manifest.config.mediaType;
  throw new UnsupportedError(
    'IMAGE_NOT_BUILDABLE',
    `Cannot read files of ${digest}: expected a container image, found an artifact (${configType})`,
    { image: digest, configType },
    { hint: 'Use `onecopy inspect` to show an artifact, and `onecopy export` to copy it' },
  );
}
