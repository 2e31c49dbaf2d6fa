import type { ObjectId } from '#base/digest';
import { UnsupportedError, UsageError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { type ErofsVersion, encodeImage, readTree } from '#formats/erofs';
import { encodeDumpfile, type Tree } from '#formats/tree';
import { hashContent } from '#host';
import type { Repository } from '#stores/composefs';
import { type ImageView, openImageView, viewImage } from '#work/browse';
import { ensureCommitImage, openStored, treeOfOpened } from '#work/commits';
import { buildImage, buildTree, openOciImage, type Reading } from '#work/image';
import type { Named } from './named.ts';

/**
 * The files of what a name leads to. A commit without an image gets one in memory; nothing is stored.
 * @throws as `openImageView`, `openStored`; UnsupportedError IMAGE_NOT_BUILDABLE for what has no files here
 */
export function openNamedView(repository: Repository, named: Named): ImageView {
  if (named.kind === 'image') {
    requireFiles(repository, named.manifestDigest);
    return openImageView(repository, `@${named.manifestDigest}`);
  }
  if (named.kind === 'erofs') return openImageView(repository, named.imageId);
  const { imageId: id } = openStored(repository, named.commit);
  if (id !== undefined && repository.images.has(id)) return openImageView(repository, id);
  const tree = treeOfNamed(repository, named);
  const { algorithm, formats } = repository;
  const bytes = encodeImage(tree, { version: formats.default, algorithm });
  return viewImage(repository.objects, hashContent(bytes, algorithm), bytes);
}

/**
 * Makes sure that what a name leads to has its EROFS image; what is there is kept.
 * @returns the image in the default version, and whether it was made now
 * @throws as `buildImage`, `ensureCommitImage`
 */
export async function ensureNamedImage(
  repository: Repository,
  named: Named,
  options: OperationOptions = {},
): Promise<{ readonly imageId: ObjectId; readonly built: boolean }> {
  if (named.kind === 'erofs') return { imageId: named.imageId, built: false };
  if (named.kind === 'commit') {
    const { imageId, built } = await ensureCommitImage(repository, named.commit, options);
    return { imageId, built };
  }
  requireFiles(repository, named.manifestDigest);
  const name = `@${named.manifestDigest}`;
  const stored = openOciImage(repository, name).imageId(repository.formats.default);
  if (stored !== undefined && repository.images.has(stored)) {
    return { imageId: stored, built: false };
  }
  const { built } = await buildImage(repository, name, options);
  return { imageId: openNamedView(repository, named).imageId, built };
}

/** How the tree of an image is made. */
export interface TreeChoice {
  /** How layers and commits are read; that of the image that is there when it is undefined. */
  readonly reading?: Reading | undefined;
}

/**
 * The tree that the EROFS image of a name is made of, read back from layers, commit or image.
 * @throws as `buildTree`, `openStored`, `readTree`; UsageError for a choice that does not apply
 */
export function treeOfNamed(
  repository: Repository,
  named: Named,
  { reading }: TreeChoice = {},
): Tree {
  if (named.kind === 'commit') {
    return treeOfOpened(openStored(repository, named.commit), { reading });
  }
  if (named.kind === 'image') {
    return buildTree(repository, openOciImage(repository, `@${named.manifestDigest}`), { reading });
  }
  if (reading === undefined) return readTree(repository.images.read(named.imageId).bytes);
  throw new UsageError('Cannot build the tree: --compat does not apply to an EROFS image');
}

/** The tree of a name as a composefs dumpfile. @throws as `treeOfNamed` */
export function dumpNamed(
  repository: Repository,
  named: Named,
  choice: TreeChoice = {},
): Uint8Array {
  return encodeDumpfile(treeOfNamed(repository, named, choice));
}

/**
 * The id that the EROFS image of a name has, in some version of the format; nothing is stored.
 * @throws as `treeOfNamed`
 */
export function computeNamedId(
  repository: Repository,
  named: Named,
  { version, ...choice }: TreeChoice & { readonly version?: ErofsVersion | undefined } = {},
): ObjectId {
  const { algorithm, formats } = repository;
  const tree = treeOfNamed(repository, named, choice);
  return hashContent(
    encodeImage(tree, { version: version ?? formats.default, algorithm }),
    algorithm,
  );
}

/** An artifact is stored, and has no files. */
function requireFiles(repository: Repository, digest: string): void {
  const image = openOciImage(repository, `@${digest}`);
  if (image.config !== undefined) return;
  const configType = image.manifest.config.mediaType;
  throw new UnsupportedError(
    'IMAGE_NOT_BUILDABLE',
    `Cannot look into ${digest}: expected a container image, found an artifact (${configType})`,
    { image: digest, configType },
    { hint: 'onecopy inspect shows an artifact, onecopy export writes it' },
  );
}
