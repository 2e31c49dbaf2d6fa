// Invariant: any bytes give a value or a FormatError, the same whether the image is in memory or read by pages; a tree that is read can be
// written, and read again, to the same image.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { readerOf } from '#base/flow';
import {
  checkImage,
  type ErofsImage,
  encodeImage,
  listObjectRefs,
  openImage,
  readTree,
} from '#formats/erofs';

/** Name of the target and of its folder of inputs. */
export const name = 'erofs';

/** Reads the bytes as an image in every way the reader offers. */
export function run(bytes: Uint8Array): void {
  guarded(() => checkImage(bytes));
  guarded(() => listObjectRefs(bytes));
  for (const restrict of [true, false]) {
    const whole = answersOf(() => openImage(bytes, { restrict }));
    const paged = answersOf(() => openImage(readerOf(bytes), { restrict, pageBytes: PAGE_BYTES }));
    assert.deepEqual(paged, whole);
  }
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
/** Pages so small that much lies across two. */
const PAGE_BYTES = 96;

function answersOf(open: () => ErofsImage): unknown[] {
  const answers: unknown[] = [];
  const ask = (question: () => unknown) => answers.push(guarded(question));
  let image: ErofsImage | undefined;
  ask(() => {
    image = open();
  });
  if (image === undefined) return answers;
  const opened: ErofsImage = image;
  ask(() => opened.findPath('/a/b/c'));
  for (let nid = 36; nid < 36 + QUESTIONS; nid += 1) {
    ask(() => {
      const inode = opened.inode(nid);
      ask(() => opened.listDirectory(inode));
      ask(() => opened.xattrs(inode));
      ask(() => opened.objectOf(inode));
      ask(() => opened.readInline(inode));
      return inode;
    });
  }
  return answers;
}

/** What was read, or why not; bytes as text, so that a view and a copy are equal. */
function guarded(read: () => unknown): unknown {
  try {
    const value = read();
    return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.message;
  }
}
