import type { ContentDigest, ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { readTree } from '#formats/erofs';
import { CONFIG_MAX_BYTES } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { OldFile, OldFiles } from '#formats/tar-diff';
import { findPath, leafAt, type Tree } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { configStreamName, imageSlot } from '#work/image';

/**
 * The files of the stored image with this config, as its EROFS image has them: in the default version of the repository, or in another.
 * @throws NotFoundError IMAGE_DELTA_BASE_MISSING; as `images.read`
 */
export function openBaseFiles(repository: Repository, config: ContentDigest): OldFiles {
  const id = findImage(repository, config);
  return new BaseFiles(repository, readTree(repository.images.read(id).bytes));
}

function findImage(repository: Repository, config: ContentDigest): ObjectId {
  const name = configStreamName(config);
  if (!repository.streams.has(name)) throw missing(config, 'the repository does not have it');
  const { namedRefs } = repository.streams.readDocument(name, {
    contentType: CONTENT_TYPES.ociConfig,
    limitBytes: CONFIG_MAX_BYTES,
  });
  const versions = [...repository.versions, 0, 1, 2] as const;
  const found = versions
    .map((version) => namedRefs.get(imageSlot(version)))
    .find((id) => id !== undefined && repository.images.has(id) && repository.objects.has(id));
  if (found === undefined) throw missing(config, 'its EROFS image is missing');
  return found;
}

function missing(config: ContentDigest, reason: string): NotFoundError {
  return new NotFoundError(
    'IMAGE_DELTA_BASE_MISSING',
    `Cannot apply the delta to the image with config ${config}: ${reason}`,
    { config },
    { hint: 'Pull that image first, or pull the new image without a delta' },
  );
}

class BaseFiles implements OldFiles {
  readonly #repository: Repository;
  readonly #tree: Tree;

  constructor(repository: Repository, tree: Tree) {
    this.#repository = repository;
    this.#tree = tree;
  }

  open(path: string): OldFile {
    // Names in a tree are bytes.
    const bytes = Buffer.from(path).toString('latin1');
    const inode = findPath(this.#tree, bytes);
    const leaf = typeof inode === 'number' ? leafAt(this.#tree, inode) : undefined;
    if (leaf?.kind === 'inline') return inlineFile(leaf.content);
    if (leaf?.kind === 'external') return this.#repository.objects.open(leaf.id);
    throw new NotFoundError(
      'TREE_PATH_NOT_FOUND',
      `Cannot find the file "${path}" in the image that the delta starts from`,
      { path },
    );
  }
}

function inlineFile(content: Uint8Array): OldFile {
  return {
    sizeBytes: content.length,
    read(offset, into) {
      const piece = content.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    },
    [Symbol.dispose]() {},
  };
}
