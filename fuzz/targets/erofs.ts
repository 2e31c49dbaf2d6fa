// Invariant: any bytes give a value or a FormatError; a tree that is read can be written, and read again, to the same image.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { checkImage, encodeImage, listObjectRefs, openImage, readTree } from '#formats/erofs';

/** Name of the target and of its folder of inputs. */
export const name = 'erofs';

/** Reads the bytes as an image in every way the reader offers. */
export function run(bytes: Uint8Array): void {
  guarded(() => checkImage(bytes));
  guarded(() => listObjectRefs(bytes));
  guarded(() => browse(bytes, true));
  guarded(() => browse(bytes, false));
  guarded(() => {
    const tree = readTree(bytes);
    const isLong = tree.leaves.some((leaf) => 'id' in leaf && leaf.id.length === 128);
    const options = { version: 1, algorithm: isLong ? 'sha512' : 'sha256' } as const;
    const image = encodeImage(tree, options);
    assert.deepEqual(encodeImage(readTree(image), options), image);
  });
}

/** Inodes asked about one by one; each question may take time in the size of the image. */
const QUESTIONS = 64;

function browse(bytes: Uint8Array, restrict: boolean): void {
  const image = openImage(bytes, { restrict });
  image.findPath('/a/b/c');
  for (let nid = 36; nid < 36 + QUESTIONS; nid += 1) {
    guarded(() => {
      const inode = image.inode(nid);
      guarded(() => image.listDirectory(inode));
      guarded(() => image.xattrs(inode));
      guarded(() => image.objectOf(inode));
      guarded(() => image.readInline(inode));
    });
  }
}

function guarded(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}
