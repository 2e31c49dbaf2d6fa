import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { Directory, leafAt, type Tree, walkTree } from '#formats/tree';
import { type Dir, OPEN, readAll } from '#host';

/**
 * Reads contents of a tree from the directory that it was read from: a few files are looked up by their id, so no path has to be kept for
 * all the others.
 * @throws NotFoundError OBJECT_NOT_FOUND; HostError SYSCALL_FAILED
 */
export function contentsOfDirectory(root: Dir, tree: Tree) {
  return {
    read(id: ObjectId, limitBytes: number): Uint8Array {
      using file = root.openFile(pathOfId(tree, id), OPEN.read | OPEN.noFollow);
      return readAll(file, limitBytes);
    },
  };
}

function pathOfId(tree: Tree, id: ObjectId): ByteString {
  for (const { path, inode } of walkTree(tree)) {
    if (inode instanceof Directory) continue;
    const leaf = leafAt(tree, inode);
    if ((leaf.kind === 'external' || leaf.kind === 'externalNoVerity') && leaf.id === id) {
      return path.slice(1) as ByteString;
    }
  }
  throw new NotFoundError('OBJECT_NOT_FOUND', `Cannot find a file with the object id ${id}`, {
    id,
  });
}
