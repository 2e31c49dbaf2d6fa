import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type Descriptor, type Dir, OPEN, readAll, statFd, truncate, writeAt } from '#host';
import { DIRECTORY_MODE, FILE_MODE, OWN, VERIFIED } from '../layout.ts';
import { isOursAlone } from './ours.ts';

/** Size limit of a mark, in bytes; a usual mark has about 80. */
const MARK_BYTES_MAX = 256;
/**
 * A file that changed less than this time before it was hashed may change again without a new change time. Source: chosen for onecopy; some
 * clocks have steps of 2 s.
 */
const SETTLED_SEC = 3;

/**
 * Marks of images whose content was verified, so that reading one path does not hash the whole image each time. A mark records inode, size
 * and change time. Writing to the file or replacing it invalidates the mark, because users cannot set the change time. A mark is trusted
 * only if no user except this user and root can have written it, and is not used if the kernel verifies.
 */
export class VerifiedMarks {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** True if this content was verified before. */
  has(id: ObjectId, file: Descriptor): boolean {
    return this.#quietly(() => {
      if (!isOursAlone(this.#root, [OWN, VERIFIED])) return false;
      using mark = this.#root.tryOpenFile(pathOf(id), OPEN.read | OPEN.noFollow | OPEN.nonBlock);
      return mark !== undefined && readAll(mark, MARK_BYTES_MAX).toString() === stampOf(file);
    });
  }

  /** Marks content as verified. `startedMs` is the start of the hashing. Does nothing if the mark cannot be written. */
  add(id: ObjectId, file: Descriptor, startedMs: number): void {
    this.#quietly(() => {
      if (statFd(file).ctimeSec > startedMs / 1000 - SETTLED_SEC) return false;
      this.#root.mkdir(OWN, DIRECTORY_MODE);
      this.#root.mkdir(VERIFIED, DIRECTORY_MODE);
      if (!isOursAlone(this.#root, [OWN, VERIFIED])) return false;
      const flags = OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock;
      using mark = this.#root.openFile(pathOf(id), flags, FILE_MODE);
      truncate(mark, 0);
      writeAt(mark, Buffer.from(stampOf(file)), 0);
      return true;
    });
  }

  /** A failed optimisation must not fail the command. */
  #quietly(work: () => boolean): boolean {
    try {
      return work();
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return false;
    }
  }
}

function pathOf(id: ObjectId): string {
  return `${VERIFIED}/${id}`;
}

/** A mark without its line end is incomplete and ignored. */
function stampOf(file: Descriptor): string {
  const { ino, sizeBytes, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = statFd(file);
  return `1 ${ino} ${sizeBytes} ${mtimeSec}.${mtimeNsec} ${ctimeSec}.${ctimeNsec}\n`;
}
