import { byteStringFromText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { listObjectRefs, readTree } from '#formats/erofs';
import { Directory, findPath, type Inode, leafAt, type Tree, writeDumpfile } from '#formats/tree';
import type { Repository } from '#stores/composefs';

/** An image's tree, for looking several paths up. */
export interface ImageFiles {
  readonly tree: Tree;
}

/** Reads the tree of an image, named by its id or its name. @throws as `images.read` and `readTree` */
export function openImageFiles(repository: Repository, name: string): ImageFiles {
  return { tree: readTree(repository.images.read(name).bytes) };
}

/**
 * The dumpfile lines of one path and of everything below it. The path stands there as it was given; hard links are links where their first
 * name is below the path too.
 * @throws FormatError TREE_PATH_INVALID; NotFoundError TREE_PATH_NOT_FOUND, TREE_NOT_A_DIRECTORY
 */
export function dumpImageFile({ tree }: ImageFiles, path: string): Generator<Uint8Array> {
  return writeDumpfile(tree, { path: byteStringFromText(path), inode: inodeAt(tree, path) });
}

/**
 * The object path (`xx/rest`) that holds the content of a file; undefined for what has none.
 * @throws NotFoundError TREE_IS_A_DIRECTORY; as `dumpImageFile`
 */
export function payloadOfImageFile({ tree }: ImageFiles, path: string): string | undefined {
  const inode = inodeAt(tree, path);
  if (inode instanceof Directory) {
    throw new NotFoundError('TREE_IS_A_DIRECTORY', `${path} is a directory`, { path });
  }
  const leaf = leafAt(tree, inode);
  if (leaf.kind !== 'external' && leaf.kind !== 'externalNoVerity') return undefined;
  return `${leaf.id.slice(0, 2)}/${leaf.id.slice(2)}`;
}

function inodeAt(tree: Tree, path: string): Inode {
  const whole = byteStringFromText(path);
  const found = /^\/*$/.test(path) ? undefined : findPath(tree, whole);
  if (found !== undefined) return found;
  throw new NotFoundError('TREE_PATH_NOT_FOUND', `Cannot find "${path}" in the image`, { path });
}

/** The objects that an image needs, each once, in the order of their ids. @throws as `images.read`; FormatError EROFS_INVALID */
export function listImageObjects(repository: Repository, name: string): ObjectId[] {
  const { bytes } = repository.images.read(name);
  return [...listObjectRefs(bytes)].sort();
}
